import { DecodeError } from '@fairlead/base'
import { DecompressedBytes } from './decompressed-bytes.ts'
import { xxHash32 } from './xxhash32.ts'

const FRAME_MAGIC = 0x184d2204
const HEADER_BYTES_MIN = 7
const FRAME_VERSION = 1
const BLOCK_BYTES_MAX: Readonly<Record<number, number>> = {
  4: 65_536,
  5: 262_144,
  6: 1_048_576,
  7: 4_194_304,
}
/** Set in the size of a block that is stored as it is. */
const IS_STORED = 0x8000_0000
const MATCH_BYTES_MIN = 4
const LENGTH_GOES_ON = 15

/**
 * Undoes the LZ4 frame format (1.6) with independent blocks, as Kafka demands it. Checksums of the
 * header and of blocks are verified; the one of the content is not, as in Kafka: the batch has a
 * checksum of its own.
 *
 * @throws {DecodeError} when the bytes are malformed, or hold more than `maxBytes`.
 */
export function decompressLz4(bytes: Uint8Array, maxBytes: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const frame = readFrameHeader(bytes, view)
  const output = new DecompressedBytes({ likelyBytes: bytes.length * 4, maxBytes })
  let position = frame.firstBlockPosition
  for (;;) {
    if (position + 4 > bytes.length) throw new DecodeError('an lz4 frame has no end', position)
    const sizeField = view.getUint32(position, true)
    position += 4
    if (sizeField === 0) return output.finish()
    const end = position + (sizeField & ~IS_STORED)
    const next = end + (frame.hasBlockChecksums ? 4 : 0)
    if (end - position > frame.blockBytesMax || next > bytes.length) {
      throw new DecodeError(`an lz4 block of ${end - position} bytes`, position)
    }
    if (frame.hasBlockChecksums) checkBlock(bytes.subarray(position, end), view, end)
    const start = output.length
    if (sizeField >= IS_STORED) output.literal(bytes, position, end - position)
    else decodeBlock(bytes, { position, end }, output)
    if (output.length - start > frame.blockBytesMax) {
      throw new DecodeError('an lz4 block is larger than its frame allows', position)
    }
    position = next
  }
}

type FrameHeader = {
  readonly hasBlockChecksums: boolean
  readonly blockBytesMax: number
  readonly firstBlockPosition: number
}

function readFrameHeader(bytes: Uint8Array, view: DataView): FrameHeader {
  if (bytes.length < HEADER_BYTES_MIN || view.getUint32(0, true) !== FRAME_MAGIC) {
    throw new DecodeError('not an lz4 frame', 0)
  }
  const flags = view.getUint8(4)
  const blockBytesMax = BLOCK_BYTES_MAX[(view.getUint8(5) >>> 4) & 7]
  if (flags >>> 6 !== FRAME_VERSION) throw new DecodeError('another version of lz4 frames', 4)
  if ((flags & 0x20) === 0) throw new DecodeError('lz4 blocks that depend on each other', 4)
  if ((flags & 0x03) !== 0) throw new DecodeError('an lz4 frame with a dictionary', 4)
  if (blockBytesMax === undefined) throw new DecodeError('an lz4 frame of another block size', 5)
  const checksumPosition = 6 + ((flags & 0x08) === 0 ? 0 : 8)
  const checksum = (xxHash32(bytes.subarray(4, checksumPosition)) >>> 8) & 0xff
  if (bytes[checksumPosition] !== checksum) {
    throw new DecodeError('the header of an lz4 frame has another checksum', checksumPosition)
  }
  return {
    hasBlockChecksums: (flags & 0x10) !== 0,
    blockBytesMax,
    firstBlockPosition: checksumPosition + 1,
  }
}

function checkBlock(block: Uint8Array, view: DataView, checksumPosition: number): void {
  if (xxHash32(block) !== view.getUint32(checksumPosition, true)) {
    throw new DecodeError('an lz4 block has another checksum', checksumPosition)
  }
}

/** Sequences of literals and one match each; the last one has literals only. */
function decodeBlock(
  bytes: Uint8Array,
  range: { readonly position: number; readonly end: number },
  output: DecompressedBytes,
): void {
  const { end } = range
  const blockStart = output.length
  const cursor = { position: range.position }
  while (cursor.position < end) {
    const start = cursor.position
    const token = bytes[cursor.position++] as number
    const literalBytes = readCount(bytes, token >>> 4, cursor, end)
    if (literalBytes > end - cursor.position) {
      throw new DecodeError('lz4 literals pass the end', start)
    }
    output.literal(bytes, cursor.position, literalBytes)
    cursor.position += literalBytes
    if (cursor.position === end) return
    if (cursor.position + 2 > end) throw new DecodeError('an lz4 match is cut short', start)
    const low = bytes[cursor.position++] as number
    const distance = low + (bytes[cursor.position++] as number) * 256
    if (distance > output.length - blockStart) {
      throw new DecodeError('an lz4 match begins before its block', start)
    }
    const matchBytes = readCount(bytes, token & 15, cursor, end) + MATCH_BYTES_MIN
    output.copy(distance, matchBytes, start)
  }
  throw new DecodeError('an lz4 block ends with a match', end)
}

/** A count of 15 goes on in the bytes that follow, while they are 255. */
function readCount(
  bytes: Uint8Array,
  short: number,
  cursor: { position: number },
  end: number,
): number {
  if (short < LENGTH_GOES_ON) return short
  let count = short
  for (;;) {
    if (cursor.position >= end) throw new DecodeError('an lz4 length is cut short', cursor.position)
    const byte = bytes[cursor.position++] as number
    count += byte
    if (byte !== 255) return count
  }
}
