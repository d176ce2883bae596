import type { BufferPool } from '@fairlead/base'
import { BATCH_HEADER_BYTES, type Crc32c, batchCrc } from '@fairlead/protocol'
import { corruptLog } from './disk.ts'
import { type DiskTask, perform } from './disk-task.ts'
import type { Segment } from './segment.ts'
import { claimedNextOffset, claimedSizeBytes, headerAt, mayFollow } from './segment-scan.ts'

export type ReadRange = {
  readonly fetchOffset: number
  /** No batch that ends after this offset. */
  readonly upTo: number
  readonly maxBytes: number
  /** Without it the first batch is read whatever its size. */
  readonly isHardLimit: boolean
  readonly crc32c: Crc32c
}

export type ReadBatches = {
  /**
   * Whole batches, one after the other; empty when the range holds none. A view of a buffer of the
   * pool, which the caller gives back once nobody reads it any more.
   */
  readonly bytes: Uint8Array
  readonly nextOffset: number
}

/** Between the indexed batch and the one that is wanted lie others, whatever little is asked for. */
const READ_BYTES_MIN = 16_384

/**
 * Reads whole batches of one segment from the first that ends after `fetchOffset`: at least that one,
 * whatever its size unless `isHardLimit`, then as many as fit. `fetchOffset` lies in the segment. Undefined when there is
 * no such batch in a segment that was compacted.
 *
 * @throws {StorageError} `LOG_CORRUPT` when something else than a batch stands where one has to, or
 * one whose checksum does not match: readers never get what the disk made of it.
 */
export function* readSegment(
  segment: Segment,
  range: ReadRange,
  buffers: BufferPool,
): DiskTask<ReadBatches | undefined> {
  const endPosition = segment.sizeBytes
  const index = yield* segment.index()
  let { position, offset: expectedOffset } = index.startFor(range.fetchOffset)
  let wantedBytes = Math.max(range.maxBytes, READ_BYTES_MIN)
  while (position < endPosition) {
    const start = position
    const buffer = buffers.take(Math.min(wantedBytes, endPosition - start))
    const count = yield* perform<number>((done) => segment.file.read(start, buffer, done))
    if (count < buffer.length) throw corruptLog(`segment ${segment.baseOffset} is cut short`)
    const found = selectBatches(buffer, { ...range, expectedOffset }, segment.isCompacted)
    if (typeof found === 'string') {
      throw corruptLog(`segment ${segment.baseOffset} at byte ${start}: ${found}`)
    }
    if (found.kind === 'selected') return found
    buffers.giveBack(buffer)
    position = start + found.skippedBytes
    expectedOffset = found.expectedOffset
    if (position === endPosition) break
    if (found.neededBytes > endPosition - position) {
      throw corruptLog(`segment ${segment.baseOffset} at byte ${position}: a batch is cut short`)
    }
    wantedBytes = Math.max(wantedBytes, found.neededBytes)
  }
  if (segment.isCompacted) return undefined
  throw corruptLog(`segment ${segment.baseOffset} does not hold ${range.fetchOffset}`)
}

type Selection =
  | ({ readonly kind: 'selected' } & ReadBatches)
  /** The wanted batch begins behind `skippedBytes` and does not fit into the buffer. */
  | {
      readonly kind: 'incomplete'
      readonly skippedBytes: number
      readonly neededBytes: number
      /** Of the batch behind the skipped ones. */
      readonly expectedOffset: number
    }

/**
 * `expectedOffset` is that of the first batch. A base offset stands outside the checksum of its batch:
 * a damaged one would put this batch in the place of the next.
 */
function selectBatches(
  buffer: Uint8Array,
  range: ReadRange & { readonly expectedOffset: number },
  isCompacted: boolean,
): Selection | string {
  let start = 0
  let end = 0
  let nextOffset = range.fetchOffset
  let expected = range.expectedOffset
  while (end + BATCH_HEADER_BYTES <= buffer.length) {
    const claimedBytes = claimedSizeBytes(buffer, end)
    if (claimedBytes > buffer.length - end) {
      if (end > start) break
      const isWanted = claimedNextOffset(buffer, end) > range.fetchOffset
      if (isWanted && range.isHardLimit && claimedBytes > range.maxBytes) {
        return selected(buffer, start, end, nextOffset)
      }
      return incomplete({ skippedBytes: end, neededBytes: claimedBytes, expectedOffset: expected })
    }
    const header = headerAt(buffer, end)
    if (typeof header === 'string') {
      if (end > start) break
      return header
    }
    if (!mayFollow(header, expected, isCompacted)) {
      if (end > start) break
      return `offset ${header.baseOffset} stands where ${expected} is next`
    }
    const following = header.baseOffset + header.lastOffsetDelta + 1
    const batchEnd = end + header.sizeBytes
    const isBefore = following <= range.fetchOffset
    if (!isBefore && following > range.upTo) return selected(buffer, start, end, nextOffset)
    if (!isBefore && batchEnd - start > range.maxBytes) {
      if (end > start) break
      if (range.isHardLimit) return selected(buffer, start, end, nextOffset)
    }
    if (!isBefore && batchCrc(buffer, end, header, range.crc32c) !== header.crc) {
      if (end > start) break
      return `the checksum of the batch at offset ${header.baseOffset} does not match`
    }
    expected = following
    end = batchEnd
    if (isBefore) start = end
    else nextOffset = following
  }
  if (end > start) return selected(buffer, start, end, nextOffset)
  const neededBytes = BATCH_HEADER_BYTES
  return incomplete({ skippedBytes: end, neededBytes, expectedOffset: expected })
}

function incomplete(where: Omit<Selection & { readonly kind: 'incomplete' }, 'kind'>): Selection {
  return { kind: 'incomplete', ...where }
}

function selected(buffer: Uint8Array, start: number, end: number, nextOffset: number): Selection {
  return { kind: 'selected', bytes: buffer.subarray(start, end), nextOffset }
}
