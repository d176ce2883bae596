import { invariant } from '@fairlead/base'
import { combineCrc32c } from '@fairlead/protocol'

/**
 * A stretch of a segment that ends with a batch, and what its bytes are. It starts where the one
 * before ends.
 */
export type Interval = {
  /** The offset after its last batch. */
  readonly nextOffset: number
  /** Where it ends in the file. */
  readonly endPosition: number
  /** CRC32C of all its bytes, the heads of the batches included, which their own CRC leaves out. */
  readonly crc: number
  /** The greatest timestamp from the start of the segment to here; -1 when none has one. */
  readonly maxTimestampMs: number
}

/** A batch starts at `position`; its offset is `offset`, or, after a compaction, a later one. */
export type BatchStart = { readonly position: number; readonly offset: number }

/** A batch that stands behind everything that is indexed; `crc` is that of all its bytes. */
export type IndexedBatch = Omit<Interval, 'endPosition'> & { readonly sizeBytes: number }

/** How far an index went at some moment: so many closed intervals, and the one that grew. */
export type IndexEnd = { readonly count: number; readonly open: Interval | undefined }

const CAPACITY_MIN = 4
const INTERVAL_BYTES = 28

/**
 * The intervals of a segment: sparse index by offset and by time, and checksum of every byte.
 *
 * Invariants: offsets and positions grow strictly, timestamps never fall, and a batch ends at each
 * position. An index only saves reading: without it the same batches are found from the start.
 */
export class SegmentIndex {
  readonly #baseOffset: number
  /** The interval that still grows. */
  #open: Interval | undefined
  #count = 0
  #nextOffsets = new Float64Array(CAPACITY_MIN)
  #maxTimestamps = new Float64Array(CAPACITY_MIN)
  #endPositions = new Uint32Array(CAPACITY_MIN)
  #crcs = new Uint32Array(CAPACITY_MIN)

  constructor(baseOffset: number) {
    this.#baseOffset = baseOffset
  }

  /** Of closed intervals. */
  get count(): number {
    return this.#count
  }

  get end(): IndexEnd {
    return { count: this.#count, open: this.#open }
  }

  /** What it keeps in memory. */
  get memoryBytes(): number {
    return this.#nextOffsets.length * INTERVAL_BYTES
  }

  get last(): Interval | undefined {
    return this.#open ?? (this.#count === 0 ? undefined : this.at(this.#count - 1))
  }

  at(index: number): Interval {
    invariant(index >= 0 && index < this.#count, 'the interval exists')
    return {
      nextOffset: this.#nextOffsets[index] ?? 0,
      endPosition: this.#endPositions[index] ?? 0,
      crc: this.#crcs[index] ?? 0,
      maxTimestampMs: this.#maxTimestamps[index] ?? 0,
    }
  }

  /** Where the interval begins, or, for the count, the first one that is to come. */
  startOf(index: number): BatchStart {
    if (index === 0) return { position: 0, offset: this.#baseOffset }
    return {
      position: this.#endPositions[index - 1] ?? 0,
      offset: this.#nextOffsets[index - 1] ?? 0,
    }
  }

  /** Whether `interval` may come next. */
  mayAdd({ nextOffset, endPosition, maxTimestampMs }: Interval): boolean {
    const start = this.startOf(this.#count)
    const timestampMs = this.#maxTimestamps[this.#count - 1] ?? -1
    return (
      nextOffset > start.offset && endPosition > start.position && maxTimestampMs >= timestampMs
    )
  }

  /** Extends the open interval by a batch, and closes it when it has `intervalBytes`. */
  addBatch(batch: IndexedBatch, intervalBytes: number): void {
    const start = this.startOf(this.#count).position
    const { nextOffset, sizeBytes } = batch
    const maxTimestampMs = Math.max(batch.maxTimestampMs, this.last?.maxTimestampMs ?? -1)
    const endPosition = (this.#open?.endPosition ?? start) + sizeBytes
    const crc = combineCrc32c(this.#open?.crc ?? 0, batch.crc, sizeBytes)
    this.#open = { nextOffset, endPosition, crc, maxTimestampMs }
    if (endPosition - start >= intervalBytes) this.add(this.#open)
  }

  /** Lets the last interval grow on when it is shorter than `intervalBytes`. */
  reopen(intervalBytes: number): void {
    const { last } = this
    if (this.#open !== undefined || last === undefined) return
    if (last.endPosition - this.startOf(this.#count - 1).position >= intervalBytes) return
    this.#open = last
    this.#count -= 1
  }

  /** Adds a closed interval, in the place of the open one if there is one. */
  add(interval: Interval): void {
    invariant(this.mayAdd(interval), 'intervals follow each other')
    this.#open = undefined
    if (this.#count === this.#nextOffsets.length) this.#grow()
    this.#nextOffsets[this.#count] = interval.nextOffset
    this.#maxTimestamps[this.#count] = interval.maxTimestampMs
    this.#endPositions[this.#count] = interval.endPosition
    this.#crcs[this.#count] = interval.crc
    this.#count += 1
  }

  /** Forgets all intervals but the first `count`. */
  cut(count: number): void {
    invariant(count <= this.#count, 'only intervals that exist are kept')
    this.#open = undefined
    this.#count = count
  }

  /** Start of the interval that holds `offset`; the end of the last one when none does. */
  startFor(offset: number): BatchStart {
    return this.startOf(firstIndex(this.#count, (at) => (this.#nextOffsets[at] ?? 0) > offset))
  }

  /** Start of the first interval that holds this timestamp or a later one. */
  startForTimestamp(timestampMs: number): BatchStart {
    const isLate = (at: number): boolean => (this.#maxTimestamps[at] ?? 0) >= timestampMs
    return this.startOf(firstIndex(this.#count, isLate))
  }

  /** How many intervals end at or before `position`. */
  countUpTo(position: number): number {
    return firstIndex(this.#count, (at) => (this.#endPositions[at] ?? 0) > position)
  }

  #grow(): void {
    const capacity = this.#nextOffsets.length * 2
    this.#nextOffsets = copied(this.#nextOffsets, new Float64Array(capacity))
    this.#maxTimestamps = copied(this.#maxTimestamps, new Float64Array(capacity))
    this.#endPositions = copied(this.#endPositions, new Uint32Array(capacity))
    this.#crcs = copied(this.#crcs, new Uint32Array(capacity))
  }
}

/** The first of `count` indexes for which a fact holds that holds for all after it; else `count`. */
function firstIndex(count: number, holds: (index: number) => boolean): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >> 1
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}

function copied<Values extends Float64Array | Uint32Array>(from: Values, to: Values): Values {
  to.set(from)
  return to
}
