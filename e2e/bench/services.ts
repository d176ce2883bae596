import { rmSync } from 'node:fs'
import { chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAdmin } from '@fairlead/kafka'
import { startEmbeddedPostgres } from '@fairlead/postgres'
import { freePort } from '../support/free-port.ts'
import { RunningApp } from '../support/running-app.ts'

/** The unprivileged user that Postgres runs as must get to its own folder. */
const ENTER_ONLY = 0o711

export type RunningBroker = AsyncDisposable & {
  readonly app: RunningApp
  readonly port: number
  readonly address: string
}

export type TemporaryDirectory = Disposable & { readonly path: string }

/** A folder that goes with its owner, or when this process ends by anything but SIGKILL. */
export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), 'fairlead-bench-'))
  await chmod(path, ENTER_ONLY)
  const remove = () => rmSync(path, { recursive: true, force: true, maxRetries: 5 })
  process.once('exit', remove)
  return { path, [Symbol.dispose]: remove }
}

export async function startBroker(
  logDirectory: string,
  flushMode: 'group' | 'os',
  settings: Readonly<Record<string, string | number>> = {},
): Promise<RunningBroker> {
  const port = await freePort()
  const address = `127.0.0.1:${port}`
  const app = await RunningApp.start('apps/broker/src/main.ts', {
    listeners: `PLAINTEXT://${address}`,
    'log.dirs': logDirectory,
    'log.flush.mode': flushMode,
    'group.initial.rebalance.delay.ms': 0,
    ...settings,
  })
  return { app, port, address, [Symbol.asyncDispose]: () => app.stop() }
}

export async function startPostgres(
  dataDirectory: string,
): Promise<AsyncDisposable & { readonly url: string; readonly pid: number }> {
  const server = await startEmbeddedPostgres({ dataDirectory, port: await freePort() })
  const { url, pid } = server
  if (pid === undefined) throw new Error('Postgres has no process')
  return { url, pid, [Symbol.asyncDispose]: () => server.stop() }
}

export async function createTopic(
  broker: RunningBroker,
  topic: string,
  partitions: number,
): Promise<void> {
  const admin = createAdmin({ bootstrapServers: [broker.address], clientId: 'bench' })
  await admin.ensureTopic({ topic, partitions })
  await admin.close()
}
