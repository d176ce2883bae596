import type { Crc32c } from '@fairlead/protocol'
import {
  CLEANER_FILE,
  type CleanerCheckpoint,
  LOG_START_FILE,
  writeCheckpoint,
} from './checkpoints.ts'
import { DeletedFiles, markDeleted } from './deleted-files.ts'
import { type Disk, type DiskCallback, isShortage } from './disk.ts'
import { type DiskTask, perform, replaceFile, runTask, writeNewFile } from './disk-task.ts'
import { encodeDurableState } from './durable-state.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import type { DurablePoint } from './log-writer.ts'
import type { ProducerStates } from './producer-state.ts'
import { segmentFiles, segmentPath } from './segment.ts'

/** The newest state, and one more in case it is damaged. */
const STATES_KEPT = 2
/** In Kafka's format, for Kafka's tools and for a move to Kafka: we ourselves read the state. */
const LEADER_EPOCH_FILE = 'leader-epoch-checkpoint'
const DOOMED_SUFFIX = '-delete'
/** Of a file name, on every file system that matters. */
const NAME_BYTES_MAX = 255

/**
 * The files beside the segments of one log, and the order in which they change.
 *
 *   durable state   after the sync of the bytes it speaks of
 *   log start       before the segments below it are removed
 *   next segment    after the durable state of the segment before it
 */
export class LogDirectory {
  readonly path: string
  readonly disk: Disk
  readonly crc32c: Crc32c
  /** Of segments that are deleted. */
  readonly deleted: DeletedFiles = new DeletedFiles()
  #epochsWritten = 0
  /** Of the states that are there, the newest last. */
  readonly #stateOffsets: number[]

  constructor(options: {
    readonly path: string
    readonly disk: Disk
    readonly crc32c: Crc32c
    readonly stateOffsets: readonly number[]
  }) {
    this.path = options.path
    this.disk = options.disk
    this.crc32c = options.crc32c
    this.#stateOffsets = [...options.stateOffsets]
  }

  /**
   * Writes what opening needs to begin at `point` instead of at the start of the segment. False when
   * the disk is full: opening takes longer then, and finds the same.
   */
  *checkpoint(
    point: DurablePoint,
    producers: ProducerStates,
    leaderEpochs: LeaderEpochs,
  ): DiskTask<boolean> {
    const { nextOffset, sizeBytes, segment } = point
    const state = encodeDurableState(
      {
        offset: nextOffset,
        segmentBaseOffset: segment.baseOffset,
        positionBytes: sizeBytes,
        leaderEpochs,
        producers,
      },
      this.crc32c,
    )
    const path = this.#statePath(nextOffset)
    try {
      yield* this.#writeEpochs(leaderEpochs, nextOffset)
      yield* segment.syncIndex()
      yield* writeNewFile(this.disk, path, state)
      yield* perform<void>((done) => this.disk.syncDirectory(this.path, done))
    } catch (error) {
      if (!isShortage(error)) throw error
      return false
    }
    if (this.#stateOffsets.at(-1) !== nextOffset) this.#stateOffsets.push(nextOffset)
    yield* this.#removeOldStates()
    return true
  }

  *writeLogStart(logStartOffset: number): DiskTask<void> {
    yield* this.#writeRows(LOG_START_FILE, [[logStartOffset]])
  }

  /** Before the batches that it speaks of are removed, and before a swap that it names. */
  *writeCleaner({ firstDirtyOffset, compactedTo, swap }: CleanerCheckpoint): DiskTask<void> {
    const offsets = [firstDirtyOffset, compactedTo]
    const rows = swap === undefined ? [offsets] : [offsets, [swap.baseOffset, swap.endOffset]]
    yield* this.#writeRows(CLEANER_FILE, rows)
  }

  /** Marks segments as deleted, oldest first, so that those that remain stay contiguous; `names` are of now. */
  *deleteSegments(baseOffsets: readonly number[], names: readonly string[]): DiskTask<void> {
    const files = baseOffsets.flatMap((baseOffset) => segmentFiles(baseOffset, names))
    this.deleted.add(yield* markDeleted({ disk: this.disk, directory: this.path }, files))
    yield* perform<void>((done) => this.disk.syncDirectory(this.path, done))
  }

  /** Removes what was deleted `delayMs` ago. */
  *removeDeleted(due: { readonly nowMs: number; readonly delayMs: number }): DiskTask<void> {
    yield* this.deleted.removeDue({ disk: this.disk, directory: this.path }, due)
  }

  *remove(): DiskTask<void> {
    yield* removeLog(this.disk, this.path)
  }

  *#writeEpochs(epochs: LeaderEpochs, durableOffset: number): DiskTask<void> {
    const entries = epochs.startedBelow(durableOffset)
    if (entries.length === this.#epochsWritten) return
    const rows = entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}\n`)
    const text = `0\n${rows.length}\n${rows.join('')}`
    const bytes = new TextEncoder().encode(text)
    yield* replaceFile(this.disk, this.path, LEADER_EPOCH_FILE, bytes)
    this.#epochsWritten = entries.length
  }

  *#removeOldStates(): DiskTask<void> {
    while (this.#stateOffsets.length > STATES_KEPT) {
      const oldest = this.#statePath(this.#stateOffsets[0] ?? 0)
      yield* perform<void>((done) => this.disk.removeFile(oldest, done))
      this.#stateOffsets.shift()
    }
  }

  #statePath(offset: number): string {
    return segmentPath(this.path, offset, '.snap')
  }

  *#writeRows(name: string, rows: readonly (readonly number[])[]): DiskTask<void> {
    yield* writeCheckpoint({ disk: this.disk, directory: this.path, name }, rows, this.crc32c)
  }

  *names(): DiskTask<readonly string[]> {
    return yield* perform<readonly string[]>((done) => this.disk.list(this.path, done))
  }
}

/** Deletes a log that is not open, whatever its state. */
export function deleteLog(disk: Disk, directory: string, done: DiskCallback<void>): void {
  runTask(removeLog(disk, directory), done)
}

/** Renames the directory first: after a crash nobody takes the rest of it for a log. */
function* removeLog(disk: Disk, directory: string): DiskTask<void> {
  const slash = directory.lastIndexOf('/')
  const parent = directory.slice(0, slash)
  // A long name loses its first characters: the partition at its end tells siblings apart.
  const name = directory.slice(slash + 1).slice(DOOMED_SUFFIX.length - NAME_BYTES_MAX)
  const doomed = `${parent}/${name}${DOOMED_SUFFIX}`
  // Another log of this name may have been deleted half before a crash.
  const isThis = (other: string) => other === name + DOOMED_SUFFIX
  yield* removeDoomed(disk, parent, isThis)
  yield* perform<void>((done) => disk.rename(directory, doomed, done))
  yield* perform<void>((done) => disk.syncDirectory(parent, done))
  yield* removeDoomed(disk, parent, isThis)
}

/** Removes what interrupted deletions left in the directory that holds the logs. */
export function purgeDeletedLogs(
  disk: Disk,
  logsDirectory: string,
  done: DiskCallback<void>,
): void {
  runTask(removeDoomed(disk, logsDirectory, isDoomed), done)
}

function isDoomed(name: string): boolean {
  return name.endsWith(DOOMED_SUFFIX)
}

function* removeDoomed(
  disk: Disk,
  parent: string,
  isChosen: (name: string) => boolean,
): DiskTask<void> {
  const names = yield* perform<readonly string[]>((done) => disk.list(parent, done))
  for (const name of names.filter(isChosen)) {
    const doomed = `${parent}/${name}`
    const files = yield* perform<readonly string[]>((done) => disk.list(doomed, done))
    for (const file of files) {
      yield* perform<void>((done) => disk.removeFile(`${doomed}/${file}`, done))
    }
    yield* perform<void>((done) => disk.removeDirectory(doomed, done))
  }
  yield* perform<void>((done) => disk.syncDirectory(parent, done))
}
