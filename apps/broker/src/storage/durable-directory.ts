import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a directory with its parents, where they are missing; a power loss does not take back one that
 * was made: what is acknowledged in a directory whose name is lost is lost, too.
 *
 * @param path absolute.
 * @param sync has the names in a directory written to the disk.
 */
export function makeDirectory(
  path: string,
  sync: (directory: string) => void = syncDirectory,
): void {
  const first = mkdirSync(path, { recursive: true })
  if (first === undefined) return
  let made = path
  while (made !== first) {
    made = dirname(made)
    sync(made)
  }
  sync(dirname(first))
}

/** Has the names in a directory written to the disk. */
export function syncDirectory(directory: string): void {
  const handle = openSync(directory, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
