import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errorMessage } from '@fairlead/base'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@fairlead/postgres'
import { checkDatabase } from './check-database.ts'
import { type DataFolder, type DataFolderChoice, openDataFolder } from './data-folder.ts'
import { databaseLogger } from './database-logger.ts'
import {
  type Endpoints,
  commandsToTry,
  endpointsOf,
  endpointsTable,
  writeEndpoints,
} from './endpoints.ts'
import type { DevOptions } from './options.ts'
import { appParts, brokerPart } from './parts.ts'
import { choosePorts } from './ports.ts'
import { SupervisedProcess } from './supervised-process.ts'

const READY_TIMEOUT_MS = 60_000

/** With the fast stop of Postgres below the 10 s within which Ctrl-C has to have stopped everything. */
const STOP_GRACE_MS = { apps: 4_000, broker: 3_000 }

/**
 * Runs the whole platform until SIGINT or SIGTERM. Resolves with the exit code.
 *
 * Order of start: Postgres and broker, then everything that needs them. Order of stop: the reverse,
 * so that nothing runs against a peer that was stopped on purpose.
 */
export async function runDev(options: DevOptions): Promise<number> {
  const stopRequested = untilSignal()
  const folder = await openFolderOrReport(options.dataFolder)
  if (folder === undefined) return 1
  const platform = new Platform()
  try {
    const startup = startPlatform(platform, folder, options)
    const started = await Promise.race([startup, stopRequested])
    if (started !== 'stop') {
      print(readyText(started, folder.path))
      await stopRequested
    }
    print('\nStopping…')
    return 0
  } catch (error) {
    print(`fairlead dev: ${errorMessage(error)}`)
    return 1
  } finally {
    await platform.stop()
    await folder.release()
    print('Stopped.')
  }
}

/** The supervised processes, in the groups in which they stop. */
class Platform {
  apps: readonly SupervisedProcess[] = []
  broker: SupervisedProcess | undefined
  postgres: EmbeddedPostgres | undefined

  async stop(): Promise<void> {
    await Promise.all(this.apps.map((app) => app.stop(STOP_GRACE_MS.apps)))
    await this.broker?.stop(STOP_GRACE_MS.broker)
    await this.postgres?.stop()
  }
}

async function startPlatform(
  platform: Platform,
  folder: DataFolder,
  options: DevOptions,
): Promise<Endpoints> {
  if (options.databaseUrl !== undefined) await checkDatabase(options.databaseUrl)
  const logs = join(folder.path, 'logs')
  await mkdir(logs, { recursive: true })
  const ports = await choosePorts({
    startsPostgres: options.databaseUrl === undefined,
    report: print,
  })

  platform.broker = new SupervisedProcess(brokerPart(folder.path, ports), print)
  const [, databaseUrl] = await Promise.all([
    startAll([platform.broker]),
    options.databaseUrl ?? startDatabase(platform, folder, ports.postgres),
  ])

  const endpoints = endpointsOf(ports, databaseUrl)
  const { ordersPerSecond, projections } = options
  platform.apps = appParts({ logs, endpoints, ordersPerSecond, projections }).map(
    (part) => new SupervisedProcess(part, print),
  )
  await startAll(platform.apps)
  await writeEndpoints(folder.path, endpoints)
  return endpoints
}

async function startDatabase(
  platform: Platform,
  folder: DataFolder,
  port: number,
): Promise<string> {
  platform.postgres = await startEmbeddedPostgres({
    dataDirectory: join(folder.path, 'postgres'),
    port,
    logger: databaseLogger(join(folder.path, 'logs', 'postgres.log'), print),
  })
  return platform.postgres.url
}

async function startAll(parts: readonly SupervisedProcess[]): Promise<void> {
  for (const part of parts) part.start()
  await Promise.all(parts.map((part) => part.waitUntilReady(READY_TIMEOUT_MS)))
}

async function openFolderOrReport(choice: DataFolderChoice): Promise<DataFolder | undefined> {
  try {
    return await openDataFolder(choice)
  } catch (error) {
    print(`fairlead dev: ${errorMessage(error)}`)
    return undefined
  }
}

function readyText(endpoints: Endpoints, dataDirectory: string): string {
  const commands = commandsToTry(endpoints).map((command) => `  ${command}`)
  return [
    '',
    'Fairlead is ready.',
    '',
    endpointsTable(endpoints),
    '',
    `Data, logs and endpoints.json: ${dataDirectory}`,
    'For development only: no authentication, everything on this machine.',
    '',
    'Try:',
    ...commands,
    '',
    'Ctrl-C stops all of it.',
  ].join('\n')
}

function untilSignal(): Promise<'stop'> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => resolve('stop'))
    }
    // A terminal that is gone, or a pipe that nobody reads, must not crash what keeps the parts alive.
    process.stdout.on('error', () => undefined)
  })
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
