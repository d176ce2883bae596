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

/** Counts how often it is asked for its end. */
class CountingLog extends MemorySchemaLog {
  endCount = 0
  /** What an answer waits for. */
  beforeEnd: Promise<void> = Promise.resolve()

  override async endOffset(): Promise<number> {
    this.endCount += 1
    await this.beforeEnd
    return super.endOffset()
  }
}

test('writes that wait together ask for the end of the log together', async () => {
  const log = new CountingLog()
  const { http, store } = startRegistry(log)
  await call(http, 'PUT /config', { compatibility: 'NONE' })
  log.endCount = 0
  const allWait = Promise.withResolvers<void>()
  log.beforeEnd = allWait.promise
  const written = Array.from({ length: 20 }, (_, index) =>
    call(http, `POST /subjects/s${index}/versions`, { schema: '"int"' }),
  )
  while (store.queuedWriteCount < written.length) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  allWait.resolve()
  const answers = await Promise.all(written)
  expect(new Set(answers.map(([status]) => status))).toEqual(new Set([200]))
  // For the first write, and for those that came while it waited for the answer.
  expect(log.endCount).toBeLessThanOrEqual(2)
})

test('questions for what is not there ask for the end of the log together', async () => {
  const log = new CountingLog()
  const { http } = startRegistry(log)
  await call(http, 'PUT /config', { compatibility: 'NONE' })
  log.endCount = 0
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => call(http, `GET /schemas/ids/${index + 1}`)),
  )
  expect(new Set(answers.map(([status]) => status))).toEqual(new Set([404]))
  expect(log.endCount).toBeLessThanOrEqual(2)
})

test('a write sees what another registry wrote before it came, also behind a write under way', async () => {
  const log = new MemorySchemaLog()
  const [one, other] = [startRegistry(log), startRegistry(log)]
  await call(one.http, 'POST /subjects/s/versions', { schema: '"int"' })
  const [appending, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  log.beforeAppend = () => {
    log.beforeAppend = () => Promise.resolve()
    appending.resolve()
    return released.promise
  }
  const underWay = call(one.http, 'PUT /mode/t', { mode: 'READONLY' })
  await appending.promise
  await call(other.http, 'PUT /config/s', { compatibility: 'NONE' })
  const incompatible = call(one.http, 'POST /subjects/s/versions', { schema: '"string"' })
  released.resolve()
  expect((await underWay)[0]).toBe(200)
  expect((await incompatible)[0]).toBe(200)
})

test('a failure to read the end of the log is met by those who asked, and not by later ones', async () => {
  const log = new CountingLog()
  const { http } = startRegistry(log)
  await call(http, 'POST /subjects/s/versions', { schema: '"int"' })
  log.isDown = true
  const failed = await Promise.all(
    ['GET /schemas/ids/7', 'DELETE /subjects/s', 'DELETE /subjects/s'].map((request) =>
      call(http, request as 'GET /schemas/ids/7'),
    ),
  )
  expect(failed.map(([status]) => status)).toEqual([500, 500, 500])
  log.isDown = false
  expect(await call(http, 'DELETE /subjects/s')).toEqual([200, [1]])
})

test('what needs no record is answered while a record of another request is on its way', async () => {
  const log = new MemorySchemaLog()
  const { http } = startRegistry(log)
  await call(http, 'POST /subjects/s/versions', { schema: '"int"' })
  const [appending, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  log.beforeAppend = () => {
    log.beforeAppend = () => Promise.resolve()
    appending.resolve()
    return released.promise
  }
  const underWay = call(http, 'POST /subjects/t/versions', { schema: '"long"' })
  await appending.promise
  expect(await call(http, 'POST /subjects/s/versions', { schema: '"int"' })).toMatchObject([
    200,
    { id: 1 },
  ])
  expect(await call(http, 'POST /subjects/s/versions', { schema: 'none' })).toMatchObject([422, {}])
  released.resolve()
  expect((await underWay)[0]).toBe(200)
})
