import { invariant } from '@fairlead/base'
import type { Crc32c } from '@fairlead/protocol'
import { type Disk, type DiskFile, isShortage } from './disk.ts'
import { type DiskTask, perform, writeNewFile } from './disk-task.ts'
import { INDEX_SLOT_BYTES, type IndexHead, encodeIndexHead, encodeInterval } from './index-file.ts'
import type { IndexEnd, SegmentIndex } from './segment-index.ts'

export type IndexWriterOptions = {
  readonly disk: Disk
  readonly path: string
  readonly crc32c: Crc32c
  /** How many of the intervals the file holds already, after its head; undefined: no usable head. */
  readonly storedCount: number | undefined
}

/**
 * Writes the index file of the segment that takes the appends, interval by interval, each only once
 * the segment is durable up to its end. One write at a time.
 *
 * The writes are not synced: the process may die after any of them, and the loss of power takes back
 * the newest. What a checkpoint or the roll needs is synced there.
 */
export class IndexWriter {
  readonly #options: IndexWriterOptions
  #storedCount: number | undefined
  #file: DiskFile | undefined
  /** What recovery did not take over stands behind what it did. */
  #isTailOld: boolean

  constructor(options: IndexWriterOptions) {
    this.#options = options
    this.#storedCount = options.storedCount
    this.#isTailOld = options.storedCount !== undefined
  }

  /** Writes what is missing up to `end`. A disk that is full, or no file left, leaves it to the next call. */
  *write(head: IndexHead, index: SegmentIndex, end: IndexEnd): DiskTask<void> {
    const { crc32c } = this.#options
    try {
      const file = yield* this.#opened()
      const first = this.#storedCount ?? 0
      const slots: Uint8Array[] = []
      if (this.#storedCount === undefined) slots.push(encodeIndexHead(head, crc32c))
      for (let number = first; number < end.count; number += 1) {
        slots.push(encodeInterval(index.at(number), index.startOf(number).position, crc32c))
      }
      if (end.open !== undefined) {
        slots.push(encodeInterval(end.open, index.startOf(end.count).position, crc32c))
      }
      const position = this.#storedCount === undefined ? 0 : (first + 1) * INDEX_SLOT_BYTES
      yield* perform<void>((done) => file.write(position, slots, done))
      this.#storedCount = end.count
      if (!this.#isTailOld) return
      // Only now: a crash before the write must leave the old claims, which are true.
      const endPosition = position + slots.length * INDEX_SLOT_BYTES
      yield* perform<void>((done) => file.truncate(endPosition, done))
      this.#isTailOld = false
    } catch (error) {
      if (!isShortage(error)) throw error
    }
  }

  /** Makes what was written survive the loss of power. */
  *sync(): DiskTask<void> {
    const file = this.#file
    if (file !== undefined) yield* perform<void>((done) => file.datasync(done))
  }

  *close(): DiskTask<void> {
    const file = this.#file
    this.#file = undefined
    if (file !== undefined) yield* perform<void>((done) => file.close(done))
  }

  *#opened(): DiskTask<DiskFile> {
    if (this.#file !== undefined) return this.#file
    const { disk, path } = this.#options
    const file = yield* perform<DiskFile>((done) => disk.open(path, 'create', done))
    try {
      // A file without a usable head, or of an earlier segment of this name, says nothing that holds.
      if (this.#storedCount === undefined) yield* perform<void>((done) => file.truncate(0, done))
    } catch (error) {
      yield* perform<void>((done) => file.close(done))
      throw error
    }
    this.#file = file
    return file
  }
}

/** Writes the whole index of a segment that does not change any more, and syncs it. */
export function* writeWholeIndex(
  { disk, path, crc32c }: Omit<IndexWriterOptions, 'storedCount'>,
  head: IndexHead,
  index: SegmentIndex,
): DiskTask<void> {
  const { count, open } = index.end
  const slotCount = count + (open === undefined ? 1 : 2)
  const bytes = new Uint8Array(slotCount * INDEX_SLOT_BYTES)
  bytes.set(encodeIndexHead(head, crc32c))
  for (let number = 0; number < slotCount - 1; number += 1) {
    const interval = number < count ? index.at(number) : open
    invariant(interval !== undefined, 'every slot has its interval')
    const slot = encodeInterval(interval, index.startOf(number).position, crc32c)
    bytes.set(slot, (number + 1) * INDEX_SLOT_BYTES)
  }
  yield* writeNewFile(disk, path, bytes)
}
