import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { EmbeddedBinaries } from './embedded-binaries.ts'
import { EmbeddedPostgresError } from './embedded-errors.ts'
import { type ServerUser, untraversableParent } from './server-user.ts'

export const SUPERUSER = 'postgres'
/** Reachable from this machine only; the same as in the images that developers know. */
export const DEFAULT_PASSWORD = 'postgres'
/** Nothing of our own environment (PGDATA, PGPORT, LANG, …) may reach the server. */
export const SERVER_ENVIRONMENT: NodeJS.ProcessEnv = { PATH: '/usr/bin:/bin', LC_ALL: 'C' }

/** Per signal: polite, immediate, kill. */
const PREDECESSOR_DEADLINE_MS = 10_000
const PREDECESSOR_POLL_MS = 50
const OWNER_ONLY = 0o700

/**
 * Makes a database cluster in `dataDirectory` unless there is one. It is made beside its final
 * place and renamed, so that a kill in the middle leaves no half cluster behind.
 */
export async function initialiseDataDirectory(options: {
  readonly dataDirectory: string
  readonly binaries: EmbeddedBinaries
  readonly user: ServerUser | undefined
  readonly password: string
}): Promise<void> {
  const { dataDirectory, user } = options
  if (existsSync(join(dataDirectory, 'PG_VERSION'))) return
  const parent = dirname(dataDirectory)
  await mkdir(parent, { recursive: true })
  refuseUnreachable(parent, user)
  if (existsSync(dataDirectory) && (await readdir(dataDirectory)).length > 0) {
    throw new EmbeddedPostgresError(
      `${dataDirectory} is not empty and holds no Postgres cluster`,
      'NOT_A_DATA_DIRECTORY',
    )
  }
  const unfinished = `${dataDirectory}.${randomUUID()}`
  try {
    await makeDirectory(unfinished, user)
    await runInitdb(unfinished, options)
    await rename(unfinished, dataDirectory)
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

function refuseUnreachable(directory: string, user: ServerUser | undefined): void {
  if (user === undefined) return
  const blocked = untraversableParent(directory, user)
  if (blocked === undefined) return
  throw new EmbeddedPostgresError(
    `the server runs as user ${user.name}, who may not enter ${blocked}: choose another data directory, or allow it with "chmod o+x ${blocked}"`,
    'DATA_DIRECTORY_UNREACHABLE',
  )
}

async function makeDirectory(path: string, user: ServerUser | undefined): Promise<void> {
  await mkdir(path, { mode: OWNER_ONLY })
  if (user !== undefined) await chown(path, user.uid, user.gid)
}

async function runInitdb(
  directory: string,
  options: {
    readonly binaries: EmbeddedBinaries
    readonly user: ServerUser | undefined
    readonly password: string
  },
): Promise<void> {
  const { binaries, user, password } = options
  const passwordDirectory = `${directory}.password`
  const passwordFile = join(passwordDirectory, 'password')
  try {
    await makeDirectory(passwordDirectory, user)
    await writeFile(passwordFile, `${password}\n`)
    if (user !== undefined) await chown(passwordFile, user.uid, user.gid)
    await promisify(execFile)(
      binaries.initdb,
      [
        `--pgdata=${directory}`,
        `--username=${SUPERUSER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        // Postgres' own Unicode rules: the same order on every machine, whatever its C library.
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
      ],
      {
        ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
        cwd: '/',
        env: SERVER_ENVIRONMENT,
      },
    )
  } catch (error) {
    throw new EmbeddedPostgresError('initdb failed', 'INITDB_FAILED', error)
  } finally {
    await rm(passwordDirectory, { recursive: true, force: true })
  }
}

/** No process has this id, so that the server takes the file for stale. */
const NO_PROCESS_ID = 2_147_483_647

/**
 * Stops a server that still runs on this data directory because its parent was killed.
 *
 * A stale `postmaster.pid` may carry the number of a process that is no Postgres by now, which the
 * server would take for its predecessor. Only that number is replaced: the rest of the file lets
 * the server see whether backends of a killed postmaster still use the shared memory.
 */
export async function stopPredecessor(dataDirectory: string): Promise<void> {
  const pidFile = join(dataDirectory, 'postmaster.pid')
  const lines = existsSync(pidFile) ? (await readFile(pidFile, 'utf8')).split('\n') : []
  const pid = Number(lines[0])
  if (!Number.isSafeInteger(pid) || pid <= 0 || !isAlive(pid)) return
  if (!(await isServerOf(pid, dataDirectory))) {
    await writeFile(pidFile, [NO_PROCESS_ID, ...lines.slice(1)].join('\n'))
    return
  }
  await stopServer(pid, dataDirectory)
}

async function stopServer(pid: number, dataDirectory: string): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    process.kill(pid, signal)
    const deadlineMs = performance.now() + PREDECESSOR_DEADLINE_MS
    while (performance.now() < deadlineMs) {
      await delay(PREDECESSOR_POLL_MS)
      if (!isAlive(pid) || !(await isServerOf(pid, dataDirectory))) return
    }
  }
  throw new EmbeddedPostgresError(
    `the server ${pid} on ${dataDirectory} does not stop`,
    'PREDECESSOR_RUNS',
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function isServerOf(pid: number, dataDirectory: string): Promise<boolean> {
  const command = await commandLine(pid)
  return command.includes('postgres') && command.includes(dataDirectory)
}

/** Empty for a process that is gone, or a zombie. */
async function commandLine(pid: number): Promise<string> {
  try {
    // Slim images have /proc and no `ps`; macOS has it the other way round.
    if (existsSync('/proc/self/cmdline')) return await readFile(`/proc/${pid}/cmdline`, 'utf8')
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'args=', '-p', `${pid}`])
    return stdout
  } catch {
    return ''
  }
}
