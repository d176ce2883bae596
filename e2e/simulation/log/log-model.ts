import type { ReadResult } from '@fairlead/log'
import { readBatchHeader } from '@fairlead/protocol'
import { require } from '../finding.ts'

/** A batch that the log was given and has placed. */
export type ModelBatch = {
  readonly baseOffset: number
  readonly nextOffset: number
  /** As stored: the log stamps offset, epoch and time into this very array. */
  readonly bytes: Uint8Array
  readonly timestampsMs: readonly number[]
}

/**
 * A log as a list of batches, and what the real one has promised about it.
 *
 * Invariants: batches are contiguous; `keptOffset` and `durableOffset` only grow while the log lives.
 */
export class LogModel {
  #batches: ModelBatch[] = []
  #endOffset = 0
  #keptOffset = 0
  #durableOffset = 0
  #checkpointOffset = 0
  /** The greatest log start that anybody saw. */
  logStartOffset = 0

  get endOffset(): number {
    return this.#endOffset
  }

  /** Everything below survives the end of the process. */
  get keptOffset(): number {
    return this.#keptOffset
  }

  /** Everything below survives the loss of power. */
  get durableOffset(): number {
    return this.#durableOffset
  }

  /** Damage below is told from a torn write. */
  get checkpointOffset(): number {
    return this.#checkpointOffset
  }

  get batches(): readonly ModelBatch[] {
    return this.#batches
  }

  place(batch: Omit<ModelBatch, 'baseOffset' | 'nextOffset'>, recordCount: number): ModelBatch {
    const baseOffset = this.#endOffset
    const placed = { ...batch, baseOffset, nextOffset: baseOffset + recordCount }
    this.#batches.push(placed)
    this.#endOffset = placed.nextOffset
    return placed
  }

  promise(nextOffset: number, survives: 'kill' | 'power loss'): void {
    this.#keptOffset = Math.max(this.#keptOffset, nextOffset)
    if (survives === 'power loss') this.#durableOffset = Math.max(this.#durableOffset, nextOffset)
  }

  checkpointed(endOffset: number): void {
    this.#checkpointOffset = Math.max(this.#checkpointOffset, endOffset)
  }

  /**
   * The log was opened again and ends at `endOffset`: what lies behind was never promised. All of it is
   * durable where the disk had room for that.
   */
  recovered(
    endOffset: number,
    { promisedOffset, hadRoom }: { readonly promisedOffset: number; readonly hadRoom: boolean },
  ): void {
    require(endOffset >= promisedOffset, () =>
      `the log ends at ${endOffset}, records below ${promisedOffset} were promised`)
    require(endOffset <= this.#endOffset, () =>
      `the log ends at ${endOffset}, it was given records below ${this.#endOffset} only`)
    const lost = this.#batches.find(
      (batch) => batch.baseOffset < endOffset && batch.nextOffset > endOffset,
    )
    require(lost === undefined, () => `the log ends at ${endOffset}, inside a batch`)
    this.#cut(endOffset)
    // Recovery syncs what it serves.
    this.#keptOffset = endOffset
    if (hadRoom) this.#durableOffset = endOffset
  }

  /** The log has refused what it had placed from here on: nobody was promised any of it. */
  takeBack(endOffset: number): void {
    require(endOffset >= this.#keptOffset, () => `what was promised was taken back to ${endOffset}`)
    this.#cut(endOffset)
  }

  #cut(endOffset: number): void {
    while ((this.#batches.at(-1)?.baseOffset ?? -1) >= endOffset) this.#batches.pop()
    this.#endOffset = endOffset
  }

  /** Forgets what retention has removed. */
  startsAt(logStartOffset: number): void {
    require(logStartOffset >= this.logStartOffset, () =>
      `the log start went back from ${this.logStartOffset} to ${logStartOffset}`)
    this.logStartOffset = logStartOffset
    while ((this.#batches[0]?.nextOffset ?? Number.POSITIVE_INFINITY) <= logStartOffset) {
      this.#batches.shift()
    }
  }

  /** The index of the batch that holds `offset`; the number of batches when none does. */
  indexOf(offset: number): number {
    let low = 0
    let high = this.#batches.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#batches[middle]?.nextOffset ?? 0) > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  bytesBetween(from: number, to: number): number {
    return this.#batches
      .filter(({ baseOffset, nextOffset }) => nextOffset > from && baseOffset < to)
      .reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  /** L4: the earliest record at or after a time, in whole batches below the high watermark. */
  earliestAt(
    timestampMs: number,
    range: { readonly logStartOffset: number; readonly highWatermark: number },
  ): { readonly offset: number; readonly timestampMs: number } | null {
    for (const batch of this.#batches) {
      if (batch.nextOffset > range.highWatermark) return null
      const found = earliestIn(batch, timestampMs, range.logStartOffset)
      if (found !== null) return found
    }
    return null
  }

  /** L1, L2: a read answers the batch that holds the offset, whole, and those behind it. */
  requireRead(
    read: ReadResult & { readonly ok: true },
    request: {
      readonly fetchOffset: number
      /** When the read began, and when it ended. */
      readonly highWatermark: number
      readonly highWatermarkNow: number
    },
  ): void {
    const { fetchOffset, highWatermark, highWatermarkNow } = request
    // Retention removed it while it was read: nothing is known of it any more.
    if (fetchOffset < this.logStartOffset) return
    let index = this.indexOf(fetchOffset)
    let nextOffset = fetchOffset
    for (const chunk of read.chunks) {
      let position = 0
      while (position < chunk.length) {
        const expected = this.#batches[index]
        require(expected !== undefined &&
          isPrefix(
            expected.bytes,
            chunk.subarray(position, position + expected.bytes.length),
          ), () => `a read at ${fetchOffset} differs from the batch at ${expected?.baseOffset}`)
        position += expected.bytes.length
        nextOffset = expected.nextOffset
        index += 1
      }
    }
    require(read.nextOffset === nextOffset, () =>
      `a read at ${fetchOffset} ends at ${nextOffset} and says ${read.nextOffset}`)
    require(nextOffset <= Math.max(fetchOffset, highWatermarkNow), () =>
      `a read at ${fetchOffset} goes up to ${nextOffset}, above ${highWatermarkNow}`)
    require(nextOffset > fetchOffset || fetchOffset >= highWatermark, () =>
      `a read at ${fetchOffset} below the high watermark ${highWatermark} is empty`)
  }
}

function earliestIn(batch: ModelBatch, timestampMs: number, logStartOffset: number) {
  if (batch.nextOffset <= logStartOffset) return null
  const header = readBatchHeader(batch.bytes, 0)
  if (header.timestampType === 'LogAppendTime') {
    // Every record has the time of its batch.
    const offset = Math.max(batch.baseOffset, logStartOffset)
    return header.maxTimestampMs < timestampMs
      ? null
      : { offset, timestampMs: header.maxTimestampMs }
  }
  const index = batch.timestampsMs.findIndex(
    (recordMs, at) => recordMs >= timestampMs && batch.baseOffset + at >= logStartOffset,
  )
  if (index < 0) return null
  return { offset: batch.baseOffset + index, timestampMs: batch.timestampsMs[index] ?? -1 }
}

function isPrefix(expected: Uint8Array, actual: Uint8Array): boolean {
  if (actual.length !== expected.length) return false
  for (let at = 0; at < expected.length; at += 1) if (actual[at] !== expected[at]) return false
  return true
}
