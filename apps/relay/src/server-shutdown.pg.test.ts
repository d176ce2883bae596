import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '@fairlead/postgres'
import { freePort } from '@fairlead/testing'
import { expect, test } from 'vitest'
import { RelayFixture } from './testing/relay-fixture.ts'

const ENTER_ONLY = 0o711
test('a fast shutdown of the server is not held up, and the relay goes on when it is back', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'relay-shutdown-'))
  await chmod(directory, ENTER_ONLY)
  const warnings: string[] = []
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_: object, text: string) => void warnings.push(text),
    error: () => undefined,
  }
  const port = await freePort()
  const options = { dataDirectory: join(directory, 'postgres'), port, logger }
  const server = await startEmbeddedPostgres(options)
  // Without an answer to its keepalive a server would wait for so long.
  const settings = { 'wal.sender.timeout.ms': '600000' }
  const fixture = new RelayFixture({ url: server.url, drop: () => Promise.resolve() }, settings)
  await fixture.started()
  const before = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 1)

  await server.stop()
  // It would have warned that it had to force an end.
  expect(warnings).toEqual([])

  const again = await startEmbeddedPostgres(options)
  const after = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 2)
  expect(fixture.publishedIds()).toEqual([...before, ...after])
  await fixture.close()
  await again.stop()
  await rm(directory, { recursive: true })
})
