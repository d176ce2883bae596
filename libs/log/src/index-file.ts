import { DecodeError } from '@fairlead/base'
import type { Crc32c } from '@fairlead/protocol'
import { type Interval, SegmentIndex } from './segment-index.ts'

/**
 * `<base offset>.idx`: the intervals of a segment, which is never written before the bytes that it
 * speaks of are durable. So whatever of it survives a crash is a statement that can be relied on:
 * "up to here the segment was on the disk, and these were its bytes".
 *
 *   head       magic "FLIX" · version · baseOffset float64 · createdMs float64 · 0 · CRC32C
 *   intervals  nextOffset float64 · maxTimestampMs float64 · endPosition · crc · startPosition · CRC32C
 *
 * Numbers are uint32 unless said; the CRC32C covers what stands before it. Head and intervals have
 * 32 bytes each, so that none crosses a sector: the last interval is written again as it grows. A
 * crash may keep an older form of one, which ends earlier, and newer ones behind it in another
 * sector: therefore each says where it starts.
 */
export const INDEX_SLOT_BYTES = 32
const MAGIC = 0x464c4958
const VERSION = 2
const CRC_POSITION = 28

export type IndexHead = { readonly baseOffset: number; readonly createdMs: number }

export function encodeIndexHead({ baseOffset, createdMs }: IndexHead, crc32c: Crc32c): Uint8Array {
  return sealed(crc32c, (view) => {
    view.setUint32(0, MAGIC)
    view.setUint32(4, VERSION)
    view.setFloat64(8, baseOffset)
    view.setFloat64(16, createdMs)
  })
}

export function encodeInterval(
  interval: Interval,
  startPosition: number,
  crc32c: Crc32c,
): Uint8Array {
  return sealed(crc32c, (view) => {
    view.setFloat64(0, interval.nextOffset)
    view.setFloat64(8, interval.maxTimestampMs)
    view.setUint32(16, interval.endPosition)
    view.setUint32(20, interval.crc)
    view.setUint32(24, startPosition)
  })
}

/** @throws {DecodeError} when the bytes are damaged, or the head of another segment or version. */
export function decodeIndexHead(bytes: Uint8Array, baseOffset: number, crc32c: Crc32c): IndexHead {
  const view = opened(bytes, crc32c)
  if (view === undefined) throw new DecodeError('the head of the index is damaged', 0)
  if (view.getUint32(0) !== MAGIC) throw new DecodeError('the magic is another', 0)
  if (view.getUint32(4) !== VERSION) throw new DecodeError('the version is unknown', 4)
  if (view.getFloat64(8) !== baseOffset) throw new DecodeError('the index is of another segment', 8)
  return { baseOffset, createdMs: view.getFloat64(16) }
}

/** An interval and where it starts, or undefined when the bytes are damaged. */
export function decodeInterval(
  bytes: Uint8Array,
  crc32c: Crc32c,
): { readonly interval: Interval; readonly startPosition: number } | undefined {
  const view = opened(bytes, crc32c)
  if (view === undefined) return undefined
  const interval = {
    nextOffset: view.getFloat64(0),
    maxTimestampMs: view.getFloat64(8),
    endPosition: view.getUint32(16),
    crc: view.getUint32(20),
  }
  return { interval, startPosition: view.getUint32(24) }
}

export type StoredIndex = IndexHead & {
  /** The intervals before the first that is damaged, or does not start where the one before ends. */
  readonly index: SegmentIndex
  /** The last that is not: up to its end the segment was durable. */
  readonly claim: Interval | undefined
  /** Whether that is all of them. */
  readonly isWhole: boolean
  /** How many slots the file has after its head, damaged ones included, a piece of one at its end not. */
  readonly slotCount: number
}

/** @throws {DecodeError} when the head is damaged, or that of another segment or version. */
export function decodeIndex(bytes: Uint8Array, baseOffset: number, crc32c: Crc32c): StoredIndex {
  const head = decodeIndexHead(bytes, baseOffset, crc32c)
  const index = new SegmentIndex(baseOffset)
  let claim: Interval | undefined
  const slotCount = Math.ceil(bytes.length / INDEX_SLOT_BYTES) - 1
  for (let number = 0; number < slotCount; number += 1) {
    const slot = bytes.subarray((number + 1) * INDEX_SLOT_BYTES, (number + 2) * INDEX_SLOT_BYTES)
    const found = decodeInterval(slot, crc32c)
    // Only the first interval starts where the segment does: another stands in a wrong place.
    if (found === undefined || (number === 0) !== (found.startPosition === 0)) continue
    const { interval, startPosition } = found
    if (interval.endPosition > (claim?.endPosition ?? 0)) claim = interval
    const isNext = index.count === number && index.startOf(number).position === startPosition
    if (isNext && index.mayAdd(interval)) index.add(interval)
  }
  const isWhole = index.count === slotCount
  return {
    ...head,
    index,
    claim,
    isWhole,
    slotCount: Math.floor(bytes.length / INDEX_SLOT_BYTES) - 1,
  }
}

function sealed(crc32c: Crc32c, write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(INDEX_SLOT_BYTES)
  const view = new DataView(bytes.buffer)
  write(view)
  view.setUint32(CRC_POSITION, crc32c(bytes.subarray(0, CRC_POSITION)))
  return bytes
}

/** A view of one slot, or undefined unless it is whole. */
function opened(bytes: Uint8Array, crc32c: Crc32c): DataView | undefined {
  if (bytes.length < INDEX_SLOT_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, INDEX_SLOT_BYTES)
  const crc = crc32c(bytes.subarray(0, CRC_POSITION)) >>> 0
  return view.getUint32(CRC_POSITION) === crc ? view : undefined
}
