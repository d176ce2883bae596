import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@fairlead/testing'
import { expect, test, vi } from 'vitest'
import { startEmbeddedPostgres } from './embedded-postgres.ts'

const ENTER_ONLY = 0o711
const DEADLINE_MS = 60_000

test('a server that was killed has no process until its next one', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'embedded-postgres-'))
  await chmod(directory, ENTER_ONLY)
  const dataDirectory = join(directory, 'postgres')
  const server = await startEmbeddedPostgres({ dataDirectory, port: await freePort() })
  const killed = server.pid ?? 0
  process.kill(killed, 'SIGKILL')
  const seen = new Set<number | undefined>()
  const look = { timeout: DEADLINE_MS, interval: 5 }
  await vi.waitUntil(() => {
    const { pid } = server
    seen.add(pid)
    // Throws for one that is gone, whose number may be anybody's.
    if (pid !== undefined) process.kill(pid, 0)
    return pid !== undefined && pid !== killed
  }, look)
  expect(seen).toContain(undefined)
  await server.stop()
  expect(server.pid).toBeUndefined()
  await rm(directory, { recursive: true })
})
