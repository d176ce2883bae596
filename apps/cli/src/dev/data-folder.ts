import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { mayTraverse, serverUser } from '@fairlead/postgres'

const LOCK_FILE = 'dev.pid'
const DEFAULT_DIRECTORY = 'data'
/** When root works in a checkout that the unprivileged user of Postgres may not enter. */
const DEFAULT_DIRECTORY_OF_ROOT = '/var/lib/fairlead'
/** Others may enter, so that the server's user reaches its own folder; they cannot list or read. */
const ENTER_ONLY = 0o711

/** The one folder that holds everything: data of all parts, their logs and `endpoints.json`. */
export type DataFolder = {
  readonly path: string
  /** Unlocks the folder, and deletes it when it is temporary. */
  release(): Promise<void>
}

export type DataFolderChoice =
  | { readonly kind: 'default' }
  | { readonly kind: 'ephemeral' }
  | { readonly kind: 'given'; readonly path: string }

/**
 * Creates the folder and locks it for this process.
 *
 * @throws {Error} when another process that is alive holds it.
 */
export async function openDataFolder(choice: DataFolderChoice): Promise<DataFolder> {
  switch (choice.kind) {
    case 'ephemeral':
      return temporaryFolder()
    case 'given':
      return lockedFolder(resolve(choice.path))
    case 'default':
      return lockedFolder(defaultDirectory())
  }
}

async function temporaryFolder(): Promise<DataFolder> {
  const path = await mkdtemp(join(tmpdir(), 'fairlead-'))
  await chmod(path, ENTER_ONLY)
  return { path, release: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) }
}

function defaultDirectory(): string {
  const user = serverUser()
  const isReachable = user === undefined || mayTraverse(process.cwd(), user)
  return isReachable ? resolve(DEFAULT_DIRECTORY) : DEFAULT_DIRECTORY_OF_ROOT
}

async function lockedFolder(path: string): Promise<DataFolder> {
  await mkdir(path, { recursive: true })
  const lock = join(path, LOCK_FILE)
  const holder = await readHolder(lock)
  if (holder !== undefined && isAlive(holder)) {
    throw new Error(`${path} is in use by process ${holder}: stop it, or choose another --data-dir`)
  }
  await writeFile(lock, String(process.pid))
  return { path, release: () => rm(lock, { force: true }) }
}

async function readHolder(lock: string): Promise<number | undefined> {
  const text = await readFile(lock, 'utf8').catch(() => '')
  return /^\d+$/.test(text) ? Number(text) : undefined
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return pid !== process.pid
  } catch {
    return false
  }
}
