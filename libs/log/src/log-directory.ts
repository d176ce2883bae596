import type { Crc32c } from '@fairlead/protocol'
import {
  CLEANER_FILE,
  type CleanerCheckpoint,
  LEADER_EPOCH_FILE,
  LOG_START_FILE,
  RECOVERY_POINT_FILE,
  writeCheckpoint,
} from './checkpoints.ts'
import type { Disk, DiskCallback } from './disk.ts'
import { type DiskTask, perform, runTask, writeNewFile } from './disk-task.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import type { DurablePoint } from './log-writer.ts'
import { encodeProducerSnapshot } from './producer-snapshot.ts'
import type { ProducerStates } from './producer-state.ts'
import { removeSegmentFiles, snapshotOffsets } from './recovery.ts'
import { segmentPath } from './segment.ts'

/** The newest snapshot, and one more in case it is damaged. */
const SNAPSHOTS_KEPT = 2
const DELETED_SUFFIX = '-delete'
/** Of a file name, on every file system that matters. */
const NAME_BYTES_MAX = 255

/**
 * The files beside the segments of one log, and the order in which they change.
 *
 *   recovery point   after the epochs, the snapshot and the index it lets recovery skip to
 *   log start        before the segments below it are removed
 *   next segment     after the epochs and the snapshot of the segment before it
 */
export class LogDirectory {
  readonly path: string
  readonly disk: Disk
  readonly crc32c: Crc32c
  #epochsWritten = 0

  constructor(options: { readonly path: string; readonly disk: Disk; readonly crc32c: Crc32c }) {
    this.path = options.path
    this.disk = options.disk
    this.crc32c = options.crc32c
  }

  /** Writes what recovery needs to begin at `point` instead of at the start of the segment. */
  *checkpoint(
    point: DurablePoint,
    producers: ProducerStates,
    epochs: LeaderEpochs,
  ): DiskTask<void> {
    const snapshot = encodeProducerSnapshot(producers, this.crc32c)
    yield* this.#writeEpochs(epochs, point.nextOffset)
    yield* this.#writeSnapshot(point.nextOffset, snapshot)
    yield* point.segment.writeIndex(this.disk, point, this.crc32c)
    yield* perform<void>((done) => this.disk.syncDirectory(this.path, done))
    const row = [point.nextOffset, point.segment.baseOffset, point.sizeBytes]
    yield* this.#writeRows(RECOVERY_POINT_FILE, [row])
    yield* this.#removeOldSnapshots()
  }

  /** Prepares the end of a segment, all of which is durable. */
  *sealSegment(end: DurablePoint, producers: ProducerStates, epochs: LeaderEpochs): DiskTask<void> {
    const snapshot = encodeProducerSnapshot(producers, this.crc32c)
    yield* this.#writeEpochs(epochs, end.nextOffset)
    yield* this.#writeSnapshot(end.nextOffset, snapshot)
    yield* end.segment.writeIndex(this.disk, end, this.crc32c)
    yield* this.#removeOldSnapshots()
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

  /** Removes segments, oldest first, so that those that remain stay contiguous. */
  *removeSegments(baseOffsets: readonly number[]): DiskTask<void> {
    const names = yield* this.#names()
    for (const baseOffset of baseOffsets) {
      yield* removeSegmentFiles(this.disk, this.path, baseOffset, names)
    }
    yield* perform<void>((done) => this.disk.syncDirectory(this.path, done))
  }

  /** Renames the directory first: after a crash nobody takes the rest of it for a log. */
  *remove(): DiskTask<void> {
    const slash = this.path.lastIndexOf('/')
    const parent = this.path.slice(0, slash)
    // A long name loses its first characters: the partition at its end tells siblings apart.
    const name = this.path.slice(slash + 1).slice(DELETED_SUFFIX.length - NAME_BYTES_MAX)
    const doomed = `${parent}/${name}${DELETED_SUFFIX}`
    // Another log of this name may have been deleted half before a crash.
    const isThis = (other: string) => other === name + DELETED_SUFFIX
    yield* removeDoomed(this.disk, parent, isThis)
    yield* perform<void>((done) => this.disk.rename(this.path, doomed, done))
    yield* perform<void>((done) => this.disk.syncDirectory(parent, done))
    yield* removeDoomed(this.disk, parent, isThis)
  }

  *#writeEpochs(epochs: LeaderEpochs, durableOffset: number): DiskTask<void> {
    const entries = epochs.startedBelow(durableOffset)
    if (entries.length === this.#epochsWritten) return
    const rows = entries.map(({ epoch, startOffset }) => [epoch, startOffset])
    yield* this.#writeRows(LEADER_EPOCH_FILE, rows)
    this.#epochsWritten = entries.length
  }

  *#writeSnapshot(offset: number, bytes: Uint8Array): DiskTask<void> {
    yield* writeNewFile(this.disk, segmentPath(this.path, offset, '.snap'), bytes)
  }

  *#removeOldSnapshots(): DiskTask<void> {
    const offsets = snapshotOffsets(yield* this.#names())
    for (const offset of offsets.slice(0, -SNAPSHOTS_KEPT)) {
      const path = segmentPath(this.path, offset, '.snap')
      yield* perform<void>((done) => this.disk.removeFile(path, done))
    }
  }

  *#writeRows(name: string, rows: readonly (readonly number[])[]): DiskTask<void> {
    yield* writeCheckpoint({ disk: this.disk, directory: this.path, name }, rows, this.crc32c)
  }

  *#names(): DiskTask<readonly string[]> {
    return yield* perform<readonly string[]>((done) => this.disk.list(this.path, done))
  }
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
  return name.endsWith(DELETED_SUFFIX)
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
