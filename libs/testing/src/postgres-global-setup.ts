import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '@fairlead/postgres'
import type { TestProject } from 'vitest/node'
import { freePort } from './free-port.ts'

declare module 'vitest' {
  interface ProvidedContext {
    readonly postgresUrl: string
  }
}

/** Others may enter, so that the unprivileged user of the server reaches its own folder. */
const ENTER_ONLY = 0o711

/**
 * One real server for all `*.pg.test.ts` of a run; each test makes its own database in it. The embedded
 * one, or that of `TEST_DATABASE_URL`: another version, with `wal_level=logical` and a superuser.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['TEST_DATABASE_URL']
  if (given !== undefined) {
    project.provide('postgresUrl', given)
    return () => Promise.resolve()
  }
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-test-'))
  await chmod(directory, ENTER_ONLY)
  const server = await startEmbeddedPostgres({
    dataDirectory: join(directory, 'postgres'),
    port: await freePort(),
    settings: { fsync: 'off' },
  })
  project.provide('postgresUrl', server.url)
  return async () => {
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
}
