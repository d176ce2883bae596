import { invariant } from '@fairlead/base'
import { type Crc32c, combineCrc32c } from '@fairlead/protocol'
import { type Disk, type DiskFile, isNoSpace } from './disk.ts'
import { type DiskTask, perform, writeNewFile } from './disk-task.ts'
import { INDEX_SLOT_BYTES, type IndexHead, encodeIndexHead, encodeInterval } from './index-file.ts'
import type { IndexEnd, Interval, SegmentIndex } from './segment-index.ts'

export type IndexWriterOptions = {
  readonly disk: Disk
  readonly path: string
  readonly crc32c: Crc32c
  /** What the file holds already; undefined: nothing that holds. */
  readonly stored: StoredSlots | undefined
}

/** The file has a usable head. */
export type StoredSlots = {
  /** How many intervals it has as they are in memory. */
  readonly count: number
  /** Its slots after the head, whatever stands in them: writing them takes no space. */
  readonly slotCount: number
}

/**
 * Writes the index file of the segment that takes the appends, interval by interval, each only once
 * the segment is durable up to its end. One write at a time.
 *
 * The writes are not synced: the process may die after any of them, and the loss of power takes back
 * the newest. What a checkpoint or the roll needs is synced there.
 *
 * Invariant: once there is a place (`reserve`), whatever `write` was asked to say is said, even on a
 * disk that takes no more: then the last slot that exists becomes one interval up to the end, in its
 * place. Such a wide one is replaced by those that it stands for after they are written behind it,
 * so that what the file claims never goes back.
 */
export class IndexWriter {
  readonly #options: IndexWriterOptions
  #storedCount: number
  #slotCount: number
  #isHeadDue: boolean
  /** The slot of the first interval that is not stored claims more than that one. */
  #isWide = false
  #file: DiskFile | undefined
  /** What recovery did not take over stands behind what it did. */
  #isTailOld: boolean

  constructor(options: IndexWriterOptions) {
    const { stored } = options
    this.#options = options
    this.#storedCount = stored?.count ?? 0
    this.#slotCount = stored?.slotCount ?? 0
    this.#isHeadDue = stored === undefined
    this.#isTailOld = stored !== undefined
  }

  /** Whether `write` finds room for what it has to say, at the least. */
  get hasPlace(): boolean {
    return this.#file !== undefined && this.#slotCount > 0
  }

  /**
   * Makes a place for an interval, and says in it how far the segment goes, which is durable up to `end`.
   *
   * @throws {StorageError} also when the disk is full, or no file is left.
   */
  *reserve(head: IndexHead, index: SegmentIndex, end: IndexEnd): DiskTask<void> {
    const file = yield* this.#opened()
    const all = mergedInterval(index, 0, end)
    // The head of a segment without batches is made again, which is as old as its first one.
    if (all === undefined) this.#isHeadDue = true
    if (this.#slotCount > 0) return
    const slot = all === undefined ? EMPTY_SLOT : this.#slot(index, 0, all)
    yield* perform<void>((done) => file.write(0, [this.#head(head), slot], done))
    this.#slotCount = 1
    this.#storedCount = 0
    this.#isWide = all !== undefined
    this.#isHeadDue = all === undefined
  }

  /**
   * Writes what is missing up to `end`. A disk that is full leaves it to the next call where no place was
   * reserved.
   *
   * @throws {StorageError} also when no file is left to open it.
   */
  *write(head: IndexHead, index: SegmentIndex, end: IndexEnd): DiskTask<void> {
    try {
      const file = yield* this.#opened()
      try {
        // An old slot may reach further than the one that takes its place.
        const isOldNext = this.#isTailOld && this.#slotCount > this.#storedCount
        if (isOldNext && !this.#isWide) yield* this.#widen(file, head, index, end)
        yield* this.#writeIntervals(file, head, index, end)
      } catch (error) {
        if (!isNoSpace(error) || this.#slotCount === 0) throw error
        yield* this.#widen(file, head, index, end)
        return
      }
      if (!this.#isTailOld) return
      // Only now: a crash before the write must leave the old claims, which are true.
      const endPosition = (this.#slotCount + 1) * INDEX_SLOT_BYTES
      yield* perform<void>((done) => file.truncate(endPosition, done))
      this.#isTailOld = false
    } catch (error) {
      if (!isNoSpace(error)) throw error
    }
  }

  /** Writes what is missing up to `end`, with which the file then ends, and syncs it. */
  *finish(head: IndexHead, index: SegmentIndex, end: IndexEnd): DiskTask<void> {
    yield* this.write(head, index, end)
    const file = this.#file
    if (file !== undefined && this.#isWide) {
      // What is behind it is old, or a piece of what found no room.
      yield* perform<void>((done) => file.truncate(positionOf(this.#storedCount + 1), done))
      this.#slotCount = this.#storedCount + 1
      this.#isTailOld = false
    }
    yield* this.sync()
  }

  /** Makes what was written survive the loss of power. */
  *sync(): DiskTask<void> {
    const file = this.#file
    if (file !== undefined) yield* perform<void>((done) => file.datasync(done))
  }

  *#writeIntervals(
    file: DiskFile,
    head: IndexHead,
    index: SegmentIndex,
    end: IndexEnd,
  ): DiskTask<void> {
    const first = this.#storedCount
    const slots: Uint8Array[] = []
    for (let number = first; number < end.count; number += 1) {
      slots.push(this.#slot(index, number, index.at(number)))
    }
    if (end.open !== undefined) slots.push(this.#slot(index, end.count, end.open))
    const slotCount = first + slots.length
    if (this.#isWide && slots.length > 1) {
      const position = positionOf(first + 1)
      yield* perform<void>((done) => file.write(position, slots.splice(1), done))
    }
    const position = this.#isHeadDue ? 0 : positionOf(first)
    const chunks = this.#isHeadDue ? [this.#head(head), ...slots] : slots
    yield* perform<void>((done) => file.write(position, chunks, done))
    this.#isHeadDue = false
    this.#isWide = false
    this.#storedCount = end.count
    this.#slotCount = this.#isTailOld ? slotCount : Math.max(slotCount, this.#slotCount)
  }

  /** Lets the last slot that there is speak of all intervals from its own on. */
  *#widen(file: DiskFile, head: IndexHead, index: SegmentIndex, end: IndexEnd): DiskTask<void> {
    const number = Math.min(this.#storedCount, this.#slotCount - 1)
    const wide = mergedInterval(index, number, end)
    if (wide === undefined) return
    const slot = this.#slot(index, number, wide)
    const position = this.#isHeadDue ? 0 : positionOf(number)
    const chunks = this.#isHeadDue ? [this.#head(head), slot] : [slot]
    yield* perform<void>((done) => file.write(position, chunks, done))
    this.#isHeadDue = false
    this.#isWide = true
    this.#storedCount = number
  }

  #head(head: IndexHead): Uint8Array {
    return encodeIndexHead(head, this.#options.crc32c)
  }

  #slot(index: SegmentIndex, number: number, interval: Interval): Uint8Array {
    return encodeInterval(interval, index.startOf(number).position, this.#options.crc32c)
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
      if (this.#isHeadDue) yield* perform<void>((done) => file.truncate(0, done))
    } catch (error) {
      yield* perform<void>((done) => file.close(done))
      throw error
    }
    this.#file = file
    return file
  }
}

const EMPTY_SLOT = new Uint8Array(INDEX_SLOT_BYTES)

function positionOf(slotNumber: number): number {
  return (slotNumber + 1) * INDEX_SLOT_BYTES
}

/** The intervals from `first` to `end` as one; undefined when there is none. */
function mergedInterval(index: SegmentIndex, first: number, end: IndexEnd): Interval | undefined {
  let merged: Interval | undefined
  for (let number = first; number <= end.count; number += 1) {
    const next = number < end.count ? index.at(number) : end.open
    if (next === undefined) break
    const sizeBytes = next.endPosition - index.startOf(number).position
    merged = { ...next, crc: combineCrc32c(merged?.crc ?? 0, next.crc, sizeBytes) }
  }
  return merged
}

/** Writes the whole index of a segment that does not change any more, and syncs it. */
export function* writeWholeIndex(
  { disk, path, crc32c }: Omit<IndexWriterOptions, 'stored'>,
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
