import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '@fairlead/postgres'
import { expect, test } from 'vitest'
import { RelayFixture } from './testing/relay-fixture.ts'

const ENTER_ONLY = 0o711
/** Without an answer to its keepalive a server waits for wal_sender_timeout, or for ever. */
const SHUTDOWN_MAX_MS = 3_000

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}

test('a fast shutdown of the server is not held up, and the relay goes on when it is back', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'relay-shutdown-'))
  await chmod(directory, ENTER_ONLY)
  const options = { dataDirectory: join(directory, 'postgres'), port: await freePort() }
  const server = await startEmbeddedPostgres(options)
  const fixture = new RelayFixture({ url: server.url, drop: () => Promise.resolve() })
  await fixture.started()
  const before = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 1)

  const startMs = performance.now()
  await server.stop()
  expect(performance.now() - startMs).toBeLessThan(SHUTDOWN_MAX_MS)

  const again = await startEmbeddedPostgres(options)
  const after = await fixture.insert([{}])
  await fixture.until(() => fixture.publishedIds().length === 2)
  expect(fixture.publishedIds()).toEqual([...before, ...after])
  await fixture.close()
  await again.stop()
  await rm(directory, { recursive: true })
})
