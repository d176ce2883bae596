import { MatchFinder } from './matches.ts'
import { xxHash32 } from './xxhash32.ts'

const FRAME_MAGIC = 0x184d2204
/** Version 1, independent blocks, no checksums of blocks; blocks of 64 KiB: as Kafka's clients do. */
const FLAGS = 0x60
const BLOCK_SIZE_CODE = 0x40
const BLOCK_BYTES = 65_536
const HEADER_BYTES = 7
const BLOCK_HEADER_BYTES = 4
const END_BYTES = 4
const IS_STORED = 0x8000_0000
const MATCH_BYTES_MIN = 4
/** Lengths up to this are in the token, longer ones behind it. */
const TOKEN_LENGTH_MAX = 15
const LENGTH_BYTE_MAX = 255

/** Makes an LZ4 frame (1.6) of independent blocks, which every client of Kafka reads. */
export function compressLz4(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const blockCount = Math.ceil(bytes.length / BLOCK_BYTES)
  // A block that would grow is stored as it is.
  const sizeMax = HEADER_BYTES + blockCount * BLOCK_HEADER_BYTES + bytes.length + END_BYTES
  const target = new Uint8Array(sizeMax)
  const view = new DataView(target.buffer)
  view.setUint32(0, FRAME_MAGIC, true)
  target[4] = FLAGS
  target[5] = BLOCK_SIZE_CODE
  target[6] = (xxHash32(target.subarray(4, 6)) >>> 8) & 0xff
  const writer = new BlockWriter(target)
  let position = HEADER_BYTES
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const end = Math.min(start + BLOCK_BYTES, bytes.length)
    const blockStart = position + BLOCK_HEADER_BYTES
    const blockEnd = writer.write(bytes, start, end, blockStart)
    if (blockEnd === undefined) {
      target.set(bytes.subarray(start, end), blockStart)
      view.setUint32(position, (end - start + IS_STORED) >>> 0, true)
      position = blockStart + end - start
    } else {
      view.setUint32(position, blockEnd - blockStart, true)
      position = blockEnd
    }
  }
  view.setUint32(position, 0, true)
  return target.subarray(0, position + END_BYTES)
}

/** Writes the sequences of one block, as long as they are smaller than what they stand for. */
class BlockWriter {
  readonly #target: Uint8Array
  readonly #finder = new MatchFinder()
  #position = 0
  #limit = 0

  constructor(target: Uint8Array) {
    this.#target = target
  }

  /** Where the block ends in the target; undefined when it is not smaller than its bytes. */
  write(bytes: Uint8Array, start: number, end: number, at: number): number | undefined {
    this.#position = at
    this.#limit = at + end - start
    const lastStart = this.#finder.visit(bytes, start, end, (from, to, distance, length) => {
      this.#sequence(bytes, from, to, { distance, length })
    })
    this.#sequence(bytes, lastStart, end, undefined)
    return this.#position < this.#limit ? this.#position : undefined
  }

  #sequence(
    bytes: Uint8Array,
    from: number,
    to: number,
    match: { readonly distance: number; readonly length: number } | undefined,
  ): void {
    const literalBytes = to - from
    const matchBytes = match === undefined ? 0 : match.length - MATCH_BYTES_MIN
    // Token, both lengths with what does not fit into it, and the distance.
    const sizeMax = literalBytes + (literalBytes + matchBytes) / LENGTH_BYTE_MAX + 5
    if (this.#position + sizeMax > this.#limit) {
      this.#position = Number.POSITIVE_INFINITY
      return
    }
    const token =
      (Math.min(literalBytes, TOKEN_LENGTH_MAX) << 4) | Math.min(matchBytes, TOKEN_LENGTH_MAX)
    this.#byte(token)
    this.#restOfLength(literalBytes)
    this.#target.set(bytes.subarray(from, to), this.#position)
    this.#position += literalBytes
    if (match === undefined) return
    this.#byte(match.distance & 0xff)
    this.#byte(match.distance >> 8)
    this.#restOfLength(matchBytes)
  }

  #restOfLength(length: number): void {
    let rest = length - TOKEN_LENGTH_MAX
    for (; rest >= LENGTH_BYTE_MAX; rest -= LENGTH_BYTE_MAX) this.#byte(LENGTH_BYTE_MAX)
    if (rest >= 0) this.#byte(rest)
  }

  #byte(value: number): void {
    this.#target[this.#position] = value
    this.#position += 1
  }
}
