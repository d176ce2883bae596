import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { serverUser, startEmbeddedPostgres } from '@fairlead/postgres'
import pg from 'pg'
import { freePort } from './free-port.ts'
import { waitFor } from './wait-for.ts'

/** Where Debian's packages have their servers, one folder for each major version. */
const DEBIAN_SERVERS = '/usr/lib/postgresql'
const PASSWORD = 'secret'
const ENTER_ONLY = 0o711
const START_DEADLINE_MS = 60_000

/** A Postgres server that the platform did not start, with a folder of its own. */
export type SystemPostgres = AsyncDisposable & { readonly url: string }

/** The folder of `initdb` and `postgres`: `POSTGRES_BIN`, or of Debian's oldest; undefined without either. */
export function systemBinaries(): string | undefined {
  const given = process.env['POSTGRES_BIN']
  if (given !== undefined) return given
  if (!existsSync(DEBIAN_SERVERS)) return undefined
  return readdirSync(DEBIAN_SERVERS)
    .toSorted((left, right) => Number(left) - Number(right))
    .map((version) => join(DEBIAN_SERVERS, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'postgres')) && existsSync(join(bin, 'initdb')))
}

/**
 * Debian's server where it is installed; otherwise the embedded one, so that what is tested with a foreign
 * server is tested on every machine. Its user is a superuser.
 */
export async function startSystemPostgres(
  settings: Readonly<Record<string, string>>,
): Promise<SystemPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-postgres-'))
  await chmod(directory, ENTER_ONLY)
  const bin = systemBinaries()
  const port = await freePort()
  const dataDirectory = join(directory, 'data')
  const server =
    bin === undefined
      ? await startEmbeddedPostgres({ dataDirectory, port, settings })
      : await SystemServer.start({ bin, dataDirectory, port, settings })
  return {
    url: server.url,
    [Symbol.asyncDispose]: async () => {
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

class SystemServer {
  readonly url: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
  }

  static async start(options: {
    readonly bin: string
    readonly dataDirectory: string
    readonly port: number
    readonly settings: Readonly<Record<string, string>>
  }): Promise<SystemServer> {
    const { bin, dataDirectory, port } = options
    const user = serverUser()
    const identity = user === undefined ? {} : { uid: user.uid, gid: user.gid }
    const passwordFile = `${dataDirectory}.password`
    await mkdir(dataDirectory)
    await writeFile(passwordFile, PASSWORD)
    if (user !== undefined) {
      await chown(dataDirectory, user.uid, user.gid)
      await chown(passwordFile, user.uid, user.gid)
    }
    const owner = ['-U', 'postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
    const cluster = ['-D', dataDirectory, '--encoding=UTF8', '--locale=C', '--no-sync']
    await promisify(execFile)(join(bin, 'initdb'), [...owner, ...cluster], {
      ...identity,
      cwd: '/',
    })
    const always = { listen_addresses: '127.0.0.1', unix_socket_directories: '', port: `${port}` }
    const flags = Object.entries({ ...always, ...options.settings }).flatMap(([key, value]) => [
      '-c',
      `${key}=${value}`,
    ])
    const child = spawn(join(bin, 'postgres'), ['-D', dataDirectory, ...flags], {
      ...identity,
      cwd: '/',
      stdio: 'ignore',
    })
    const server = new SystemServer(
      child,
      `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`,
    )
    await waitFor('Postgres to accept connections', START_DEADLINE_MS, () => server.#answers())
    return server
  }

  async #answers(): Promise<boolean> {
    if (this.#child.exitCode !== null) throw new Error('Postgres has ended')
    const client = new pg.Client({ connectionString: this.url })
    try {
      await client.connect()
      await client.end()
      return true
    } catch {
      return false
    }
  }

  /** Fast: whoever is connected is cut off. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGINT')
    await exited
  }
}
