import { getEventListeners } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { call, closeRegistries, startRegistry } from '../http/registry.test-fixture.ts'
import { MemorySchemaLog } from './memory-schema-log.ts'
import type { LogPage } from './schema-log.ts'

afterEach(closeRegistries)

/** Remembers the signal of its readers, which lives as long as the store. */
class WatchedLog extends MemorySchemaLog {
  signal: AbortSignal | undefined
  isHeld = false

  override async read(fromOffset: number, signal: AbortSignal): Promise<LogPage> {
    this.signal = signal
    const page = await super.read(fromOffset, signal)
    return this.isHeld ? { entries: [], nextOffset: fromOffset } : page
  }
}

test('writes leave nothing behind that lives as long as the store', async () => {
  const log = new WatchedLog()
  const { http } = startRegistry(log)
  for (const level of ['NONE', 'FULL', 'BACKWARD', 'FORWARD', 'NONE', 'FULL', 'BACKWARD', 'NONE']) {
    await call(http, 'PUT /config', { compatibility: level })
  }
  if (log.signal === undefined) throw new Error('the log is read')
  // Of the read that waits for the next record.
  expect(getEventListeners(log.signal, 'abort').length).toBeLessThanOrEqual(1)
})

test('who waits for the log when the store ends is told', async () => {
  const log = new WatchedLog()
  const { http } = startRegistry(log)
  await call(http, 'PUT /config', { compatibility: 'NONE' })
  const appending = Promise.withResolvers<void>()
  log.beforeAppend = () => {
    appending.resolve()
    log.isHeld = true
    return Promise.resolve()
  }
  const waiting = call(http, 'PUT /config', { compatibility: 'FULL' })
  await appending.promise
  const closed = closeRegistries()
  expect(await waiting).toEqual([500, { error_code: 50001, message: 'The registry is stopping' }])
  await closed
  expect(log.entries).toHaveLength(2)
})
