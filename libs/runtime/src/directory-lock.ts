import { randomUUID } from 'node:crypto'
import { lstatSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { OperationalError } from '@fairlead/base'

const LOCK_FILE = '.lock'

/** Somebody else may take the lock between our look at it and our attempt. */
const ATTEMPTS_MAX = 3

/** Another process uses the data directory. */
export class DirectoryLockedError extends OperationalError {
  override readonly name = 'DirectoryLockedError'

  constructor(directory: string, owner: string) {
    super(
      `${directory} is used by process ${owner}: two brokers cannot share a directory of log.dirs`,
      { code: 'DIRECTORY_LOCKED', retryable: true },
    )
  }
}

/**
 * Takes the data directory for this process; returns the function that gives it back.
 *
 * The lock is a symbolic link to nowhere: it is made with its content in one step, and needs no space
 * on the disk. It names the owner by process id and start time, so that the lock of a killed broker does
 * not outlive it, not even where process ids are used again at once (containers).
 *
 * @throws {DirectoryLockedError} when a living process holds it.
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, LOCK_FILE)
  const self = `${process.pid} ${startTime(process.pid)}`
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    if (createExclusively(path, self)) return () => rmSync(path, { force: true })
    const owner = readOwner(path)
    if (owner !== undefined && isAlive(owner)) throw new DirectoryLockedError(directory, owner)
    discard(path)
  }
  throw new DirectoryLockedError(directory, 'that starts at the same moment')
}

function createExclusively(path: string, content: string): boolean {
  try {
    symlinkSync(content, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

function readOwner(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : ''
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** An owner of whom nothing is known but that its process id is in use counts as alive. */
function isAlive(owner: string): boolean {
  const [pid = '', startedAt = ''] = owner.split(' ')
  if (!/^\d+$/.test(pid)) return false
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
  }
  if (isZombie(Number(pid))) return false
  const actual = startTime(Number(pid))
  return actual === '' || startedAt === '' || actual === startedAt
}

/** Killed, and not yet seen by its parent: it has no files any more. */
function isZombie(pid: number): boolean {
  return processStatus(pid)[0] === 'Z'
}

/** Clock ticks since the boot at which the process started; empty where there is no /proc. */
function startTime(pid: number): string {
  return processStatus(pid)[19] ?? ''
}

/** The fields of `/proc/<pid>/stat` from the third on, the state; empty where there is no /proc. */
function processStatus(pid: number): readonly string[] {
  try {
    // The second field is the name, in parentheses, and may hold blanks: count from its end.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

/** Renamed first: of two processes that find the same dead owner, only one removes its file. */
function discard(path: string): void {
  const aside = `${path}.${randomUUID()}`
  try {
    renameSync(path, aside)
    rmSync(aside, { force: true })
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
