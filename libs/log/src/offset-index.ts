import { DecodeError, invariant } from '@fairlead/base'
import type { Crc32c } from '@fairlead/protocol'
import { openEnvelope, sealEnvelope } from './envelope.ts'

/** What is known of the first `sizeBytes` of a segment without reading them. */
export type SegmentSummary = {
  readonly baseOffset: number
  /** The offset after the last batch that is covered. */
  readonly nextOffset: number
  /** Bytes covered, from the start of the segment; a batch ends there. */
  readonly sizeBytes: number
  /** -1 for a segment without batches. */
  readonly maxTimestampMs: number
  /** Wall clock when the segment was begun. */
  readonly createdMs: number
}

/**
 * Sparse index of a segment: some batches and where they start.
 *
 * Invariant: offsets and positions grow strictly, and a batch starts at each position. An index only
 * saves reading: without it a lookup begins at the start of the segment and finds the same batch.
 */
export class OffsetIndex {
  readonly #offsets: number[] = []
  readonly #positions: number[] = []

  get entryCount(): number {
    return this.#offsets.length
  }

  /** Position of the last batch that is indexed; 0 when none is. */
  get lastPosition(): number {
    return this.#positions.at(-1) ?? 0
  }

  add(baseOffset: number, position: number): void {
    invariant(baseOffset > (this.#offsets.at(-1) ?? -1), 'indexed offsets grow')
    invariant(position > (this.#positions.at(-1) ?? -1), 'indexed positions grow')
    this.#offsets.push(baseOffset)
    this.#positions.push(position)
  }

  /** Start of the last indexed batch at or before `target`; 0 when there is none. */
  positionFor(target: number): number {
    let low = 0
    let high = this.#offsets.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#offsets[middle] ?? 0) <= target) low = middle + 1
      else high = middle
    }
    return this.#positions[low - 1] ?? 0
  }

  /** Entries of batches that start before `positionMax`. */
  *entriesBelow(positionMax: number): IterableIterator<readonly [number, number]> {
    for (const [index, position] of this.#positions.entries()) {
      if (position >= positionMax) return
      yield [this.#offsets[index] ?? 0, position]
    }
  }
}

/**
 * `<base offset>.idx`: summary and index of a segment, so that opening need not read it.
 *
 *   envelope  magic "FLIX", version, CRC32C
 *   summary   baseOffset · nextOffset · sizeBytes · maxTimestampMs · createdMs, float64 each
 *   entries   offset - baseOffset uint32 · position uint32
 */
const FORMAT = { magic: 0x464c4958, version: 1 } as const
const SUMMARY_BYTES = 40
export const INDEX_ENTRY_BYTES = 8

export function encodeIndex(
  summary: SegmentSummary,
  index: OffsetIndex,
  crc32c: Crc32c,
): Uint8Array {
  const entries = [...index.entriesBelow(summary.sizeBytes)]
  const bodyBytes = SUMMARY_BYTES + entries.length * INDEX_ENTRY_BYTES
  return sealEnvelope(FORMAT, bodyBytes, crc32c, (view) => {
    view.setFloat64(0, summary.baseOffset)
    view.setFloat64(8, summary.nextOffset)
    view.setFloat64(16, summary.sizeBytes)
    view.setFloat64(24, summary.maxTimestampMs)
    view.setFloat64(32, summary.createdMs)
    for (const [at, [offset, position]] of entries.entries()) {
      view.setUint32(SUMMARY_BYTES + at * INDEX_ENTRY_BYTES, offset - summary.baseOffset)
      view.setUint32(SUMMARY_BYTES + at * INDEX_ENTRY_BYTES + 4, position)
    }
  })
}

/** @throws {DecodeError} when the bytes are damaged or describe another segment. */
export function decodeIndex(
  bytes: Uint8Array,
  baseOffset: number,
  crc32c: Crc32c,
): { readonly summary: SegmentSummary; readonly index: OffsetIndex } {
  const view = openEnvelope(FORMAT, bytes, crc32c)
  if (view.byteLength < SUMMARY_BYTES) throw new DecodeError('the index is cut short', 0)
  if (view.getFloat64(0) !== baseOffset) throw new DecodeError('the index is of another segment', 0)
  const index = new OffsetIndex()
  for (let at = SUMMARY_BYTES; at + INDEX_ENTRY_BYTES <= view.byteLength; at += INDEX_ENTRY_BYTES) {
    index.add(baseOffset + view.getUint32(at), view.getUint32(at + 4))
  }
  const summary = {
    baseOffset,
    nextOffset: view.getFloat64(8),
    sizeBytes: view.getFloat64(16),
    maxTimestampMs: view.getFloat64(24),
    createdMs: view.getFloat64(32),
  }
  return { summary, index }
}
