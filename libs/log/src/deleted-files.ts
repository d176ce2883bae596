import { type Disk, StorageError, isShortage } from './disk.ts'
import { type DiskTask, perform } from './disk-task.ts'

/** Of files that no log reads any more; a start removes them. Kafka's name for them, too. */
export const DELETED_SUFFIX = '.deleted'

type Place = { readonly disk: Disk; readonly directory: string }

/**
 * Gives files of a directory the suffix that says that they are deleted, one after the other; what they
 * are named then. It survives a crash after a sync of the directory. A file for whose longer name there
 * is no room is removed at once: a full disk has to be emptied.
 */
export function* markDeleted(
  { disk, directory }: Place,
  names: readonly string[],
): DiskTask<readonly string[]> {
  const marked: string[] = []
  for (const name of names) {
    const path = `${directory}/${name}`
    try {
      yield* perform<void>((done) => disk.rename(path, path + DELETED_SUFFIX, done))
      marked.push(name + DELETED_SUFFIX)
    } catch (error) {
      if (!isShortage(error)) throw error
      yield* perform<void>((done) => disk.removeFile(path, done))
    }
  }
  return marked
}

/**
 * The files of one log that were marked as deleted and are still there, for an operator who would rather
 * have kept them (`file.delete.delay.ms`). Nothing reads them: reads that were under way have them open.
 */
export class DeletedFiles {
  /** By name: when it was first seen to be there; undefined before that. */
  readonly #seenMs = new Map<string, number | undefined>()

  get count(): number {
    return this.#seenMs.size
  }

  /** Those of the same name are gone: a rename replaces them. */
  add(names: readonly string[]): void {
    for (const name of names) this.#seenMs.set(name, undefined)
  }

  /** Removes those that were seen by a call at least `delayMs` ago, and notes the new ones. */
  *removeDue(
    { disk, directory }: Place,
    { nowMs, delayMs }: { readonly nowMs: number; readonly delayMs: number },
  ): DiskTask<void> {
    for (const [name, seenMs = nowMs] of this.#seenMs) {
      this.#seenMs.set(name, seenMs)
      if (nowMs - seenMs < delayMs) continue
      const path = `${directory}/${name}`
      yield* unlessMissing(perform<void>((done) => disk.removeFile(path, done)))
      this.#seenMs.delete(name)
    }
  }
}

/** Whoever took the file away is whom it was kept for. */
function* unlessMissing(task: DiskTask<void>): DiskTask<void> {
  try {
    yield* task
  } catch (error) {
    if (!(error instanceof StorageError && error.code === 'ENOENT')) throw error
  }
}
