import { DecodeError } from '@fairlead/base'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  type Crc32c,
  batchCrc,
  readBatchHeader,
} from '@fairlead/protocol'
import type { DiskFile } from './disk.ts'
import { type DiskTask, perform } from './disk-task.ts'

const SCAN_BUFFER_BYTES = 1_048_576

export type ScanRange = {
  /** Where the first batch starts, in the file. */
  readonly fromPosition: number
  /** The offset that the first batch must have; the lowest that it may have in a compacted segment. */
  readonly fromOffset: number
  readonly endPosition: number
  /** Batches may be missing: the offset of a batch is not below the end of the one before. */
  readonly isCompacted: boolean
  /** Read at a time; a larger batch is read whole. */
  readonly bufferBytes?: number
}

export type ScannedBatch = {
  readonly header: BatchHeader
  /** In the file. */
  readonly position: number
  /** The batch alone; valid until the visitor returns. */
  readonly bytes: Uint8Array
}

/** Go on, end behind this batch, or end before it because something is wrong with it. */
export type ScanVerdict = 'continue' | 'stop' | { readonly problem: string }

/** Where a scan ended, and what was wrong there; undefined at the end of the range. */
export type ScanEnd = {
  readonly position: number
  readonly nextOffset: number
  readonly problem: string | undefined
}

/**
 * Visits the batches of a segment in order, each whole, well-formed, with the offset after its
 * predecessor (in a compacted segment, or a later one), and (when `crc32c` is given) with a matching checksum. Ends at the first that is not,
 * or when the visitor returns `stop`. After each
 * buffer whose batches were visited, `afterBuffer` may do with them what takes the disk.
 */
export function* scanBatches(
  file: DiskFile,
  range: ScanRange,
  crc32c: Crc32c | undefined,
  visit: (batch: ScannedBatch) => ScanVerdict,
  afterBuffer?: () => DiskTask<void>,
): DiskTask<ScanEnd> {
  let position = range.fromPosition
  let nextOffset = range.fromOffset
  let neededBytes = 0
  while (position < range.endPosition) {
    // Bounded by the file: a batch that claims more was refused before this grows.
    const wantedBytes = Math.max(range.bufferBytes ?? SCAN_BUFFER_BYTES, neededBytes)
    const buffer = new Uint8Array(Math.min(wantedBytes, range.endPosition - position))
    const start = position
    const count = yield* perform<number>((done) => file.read(start, buffer, done))
    if (count < buffer.length) return { position, nextOffset, problem: 'the file is shorter' }
    let at = 0
    neededBytes = 0
    while (at < count) {
      const leftBytes = range.endPosition - start - at
      const found = batchAt(buffer, at, { nextOffset, leftBytes, isCompacted: range.isCompacted })
      if (typeof found === 'string') return { position: start + at, nextOffset, problem: found }
      if (found.neededBytes > count - at) {
        neededBytes = found.neededBytes
        break
      }
      const { header } = found
      if (header === undefined) break
      if (crc32c !== undefined && batchCrc(buffer, at, header, crc32c) !== header.crc) {
        return { position: start + at, nextOffset, problem: 'the checksum does not match' }
      }
      const bytes = buffer.subarray(at, at + header.sizeBytes)
      const verdict = visit({ header, position: start + at, bytes })
      if (typeof verdict === 'object') {
        return { position: start + at, nextOffset, problem: verdict.problem }
      }
      at += header.sizeBytes
      nextOffset = header.baseOffset + header.lastOffsetDelta + 1
      if (verdict === 'stop') return { position: start + at, nextOffset, problem: undefined }
    }
    position = start + at
    if (afterBuffer !== undefined) yield* afterBuffer()
  }
  return { position, nextOffset, problem: undefined }
}

type FoundBatch = { readonly header: BatchHeader | undefined; readonly neededBytes: number }

/** The header at `at`, how many bytes it needs to be there, or what is wrong with it. */
function batchAt(
  buffer: Uint8Array,
  at: number,
  expected: Pick<ScanRange, 'isCompacted'> & {
    readonly nextOffset: number
    readonly leftBytes: number
  },
): FoundBatch | string {
  if (expected.leftBytes < BATCH_HEADER_BYTES) return 'the header is cut short'
  if (buffer.length - at < BATCH_HEADER_BYTES) {
    return { header: undefined, neededBytes: BATCH_HEADER_BYTES }
  }
  const claimedBytes = claimedSizeBytes(buffer, at)
  if (claimedBytes > expected.leftBytes) return 'the batch is cut short'
  if (claimedBytes > buffer.length - at) return { header: undefined, neededBytes: claimedBytes }
  const header = headerAt(buffer, at)
  if (typeof header === 'string') return header
  if (!mayFollow(header, expected.nextOffset, expected.isCompacted)) {
    return `offset ${header.baseOffset} stands where ${expected.nextOffset} is next`
  }
  return { header, neededBytes: header.sizeBytes }
}

/** Whether a batch may stand behind one that ended at `nextOffset`. */
export function mayFollow(
  { baseOffset }: BatchHeader,
  nextOffset: number,
  isCompacted: boolean,
): boolean {
  return isCompacted ? baseOffset >= nextOffset : baseOffset === nextOffset
}

/** The header of a whole batch, or why the bytes are none. */
export function headerAt(bytes: Uint8Array, position: number): BatchHeader | string {
  try {
    const header = readBatchHeader(bytes, position)
    return header.lastOffsetDelta < 0 ? 'the last offset delta is negative' : header
  } catch (error) {
    if (error instanceof DecodeError) return error.message
    throw error
  }
}

/** How large the batch says it is, of which at least the header has been read. */
export function claimedSizeBytes(bytes: Uint8Array, position: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + position, BATCH_HEADER_BYTES)
  return view.getInt32(LENGTH_POSITION) + LENGTH_END
}

/** The offset behind the batch, as it says, of which at least the header has been read. */
export function claimedNextOffset(bytes: Uint8Array, position: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + position, BATCH_HEADER_BYTES)
  const baseOffset = view.getInt32(0) * 2 ** 32 + view.getUint32(4)
  return baseOffset + view.getInt32(LAST_OFFSET_DELTA_POSITION) + 1
}

const LAST_OFFSET_DELTA_POSITION = 23
/** `batchLength` (int32) counts what follows it. */
const LENGTH_POSITION = 8
const LENGTH_END = 12
