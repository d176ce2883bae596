import { DecodeError } from '@fairlead/base'
import { DecompressedBytes } from './decompressed-bytes.ts'

/** What the Java library `snappy-java` puts in front: this magic, two versions, then blocks. */
const XERIAL_MAGIC: readonly number[] = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]
export const XERIAL_HEADER: readonly number[] = [...XERIAL_MAGIC, 0, 0, 0, 1, 0, 0, 0, 1]
const XERIAL_HEADER_BYTES = 16
const LENGTH_BYTES_MAX = 5
/** The densest element is a copy of 64 bytes in 3. */
const EXPANSION_MAX = 64 / 3

const LITERAL = 0
const COPY_1_BYTE_OFFSET = 1
const COPY_2_BYTE_OFFSET = 2

/**
 * Undoes Snappy: a raw block, as librdkafka and Go clients write it, or blocks in the frame of
 * `snappy-java`, as Java clients do. Kafka's clients read both.
 *
 * @throws {DecodeError} when the bytes are malformed, or hold more than `maxBytes`.
 */
export function decompressSnappy(bytes: Uint8Array, maxBytes: number): Uint8Array<ArrayBuffer> {
  const likelyBytes = Math.min(bytes.length * 4, maxBytes)
  const output = new DecompressedBytes({ likelyBytes, maxBytes })
  if (isXerial(bytes)) decodeXerial(bytes, output)
  else decodeBlock(bytes, { position: 0, end: bytes.length }, output)
  return output.finish()
}

function isXerial(bytes: Uint8Array): boolean {
  return (
    bytes.length >= XERIAL_HEADER_BYTES &&
    XERIAL_MAGIC.every((expected, index) => bytes[index] === expected)
  )
}

function decodeXerial(bytes: Uint8Array, output: DecompressedBytes): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let position = XERIAL_HEADER_BYTES
  while (position < bytes.length) {
    if (position + 4 > bytes.length) throw new DecodeError('a snappy block is cut short', position)
    const end = position + 4 + view.getUint32(position)
    if (end > bytes.length) throw new DecodeError('a snappy block passes the end', position)
    decodeBlock(bytes, { position: position + 4, end }, output)
    position = end
  }
}

/** The length of the block in front is a promise that is checked, and never allocated. */
function decodeBlock(
  bytes: Uint8Array,
  range: { readonly position: number; readonly end: number },
  output: DecompressedBytes,
): void {
  const { end } = range
  const { length, position: first } = readLength(bytes, range)
  if (length > (end - first) * EXPANSION_MAX) {
    throw new DecodeError(`${length} bytes in a snappy block of ${end - first}`, first)
  }
  output.refuseBeyond(length)
  const start = output.length
  let position = first
  while (position < end) position = decodeElement(bytes, position, { start, end }, output)
  if (output.length - start !== length) {
    throw new DecodeError(`a snappy block has ${output.length - start} bytes, not ${length}`, first)
  }
}

function decodeElement(
  bytes: Uint8Array,
  position: number,
  block: { readonly start: number; readonly end: number },
  output: DecompressedBytes,
): number {
  const tag = bytes[position] as number
  const kind = tag & 3
  if (kind === LITERAL) return decodeLiteral(bytes, position, block.end, output)
  const offsetBytes = kind === COPY_1_BYTE_OFFSET ? 1 : kind === COPY_2_BYTE_OFFSET ? 2 : 4
  const next = position + 1 + offsetBytes
  if (next > block.end) throw new DecodeError('a snappy copy is cut short', position)
  let distance = littleEndian(bytes, position + 1, offsetBytes)
  let count = (tag >>> 2) + 1
  if (kind === COPY_1_BYTE_OFFSET) {
    distance += (tag >>> 5) * 256
    count = ((tag >>> 2) & 7) + 4
  }
  if (distance > output.length - block.start) {
    throw new DecodeError('a snappy copy begins before its block', position)
  }
  output.copy(distance, count, position)
  return next
}

function decodeLiteral(
  bytes: Uint8Array,
  position: number,
  end: number,
  output: DecompressedBytes,
): number {
  const short = (bytes[position] as number) >>> 2
  const lengthBytes = Math.max(0, short - 59)
  const from = position + 1 + lengthBytes
  if (from > end) throw new DecodeError('a snappy literal is cut short', position)
  const count = (lengthBytes === 0 ? short : littleEndian(bytes, position + 1, lengthBytes)) + 1
  if (count > end - from) throw new DecodeError('a snappy literal passes the end', position)
  output.literal(bytes, from, count)
  return from + count
}

/** An unsigned varint of at most 32 bits. */
function readLength(
  bytes: Uint8Array,
  { position, end }: { readonly position: number; readonly end: number },
): { readonly length: number; readonly position: number } {
  let length = 0
  for (let index = 0; index < LENGTH_BYTES_MAX && position + index < end; index += 1) {
    const byte = bytes[position + index] as number
    length += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return { length, position: position + index + 1 }
  }
  throw new DecodeError('a snappy block has no length', position)
}

function littleEndian(bytes: Uint8Array, position: number, count: number): number {
  let value = 0
  for (let index = count - 1; index >= 0; index -= 1) {
    value = value * 256 + (bytes[position + index] as number)
  }
  return value
}
