import { MatchFinder } from './matches.ts'
import { XERIAL_HEADER } from './snappy.ts'

/** As `snappy-java` does; a copy reaches 64 KiB back at most. */
const BLOCK_BYTES = 32_768
const BLOCK_HEADER_BYTES = 4
/** A varint of the block's length, and the tags of its literals: its format bounds them to a sixth. */
const OVERHEAD_BYTES = 32
const OVERHEAD_SHARE = 6
const LITERAL_IN_TAG_MAX = 60
const COPY_BYTES_MAX = 64
const COPY_BYTES_MIN = 4
const COPY_2_BYTE_OFFSET = 2
const LITERAL_1_BYTE_LENGTH = 60
const LITERAL_2_BYTE_LENGTH = 61

/** Makes Snappy blocks in the frame of `snappy-java`, which every client of Kafka reads. */
export function compressSnappy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const blockCount = Math.ceil(bytes.length / BLOCK_BYTES)
  const blockBytesMax =
    BLOCK_HEADER_BYTES + OVERHEAD_BYTES + BLOCK_BYTES + Math.ceil(BLOCK_BYTES / OVERHEAD_SHARE)
  const target = new Uint8Array(XERIAL_HEADER.length + blockCount * blockBytesMax)
  const view = new DataView(target.buffer)
  target.set(XERIAL_HEADER)
  const writer = new BlockWriter(target)
  let position = XERIAL_HEADER.length
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const end = Math.min(start + BLOCK_BYTES, bytes.length)
    const blockStart = position + BLOCK_HEADER_BYTES
    const blockEnd = writer.write(bytes, start, end, blockStart)
    view.setUint32(position, blockEnd - blockStart)
    position = blockEnd
  }
  return target.slice(0, position)
}

class BlockWriter {
  readonly #target: Uint8Array
  readonly #finder = new MatchFinder()
  #position = 0

  constructor(target: Uint8Array) {
    this.#target = target
  }

  /** Writes one block and returns where it ends in the target. */
  write(bytes: Uint8Array, start: number, end: number, at: number): number {
    this.#position = at
    this.#length(end - start)
    const lastStart = this.#finder.visit(bytes, start, end, (from, to, distance, length) => {
      this.#literal(bytes, from, to)
      this.#copy(distance, length)
    })
    this.#literal(bytes, lastStart, end)
    return this.#position
  }

  #length(length: number): void {
    let rest = length
    for (; rest >= 0x80; rest >>= 7) this.#byte((rest & 0x7f) | 0x80)
    this.#byte(rest)
  }

  #literal(bytes: Uint8Array, from: number, to: number): void {
    const length = to - from
    if (length === 0) return
    const stored = length - 1
    if (stored < LITERAL_IN_TAG_MAX) {
      this.#byte(stored << 2)
    } else if (stored <= 0xff) {
      this.#byte(LITERAL_1_BYTE_LENGTH << 2)
      this.#byte(stored)
    } else {
      this.#byte(LITERAL_2_BYTE_LENGTH << 2)
      this.#byte(stored & 0xff)
      this.#byte(stored >> 8)
    }
    this.#target.set(bytes.subarray(from, to), this.#position)
    this.#position += length
  }

  #copy(distance: number, length: number): void {
    let rest = length
    while (rest > 0) {
      // What is left over is never too short for a copy of its own.
      const isLast = rest <= COPY_BYTES_MAX
      const taken = isLast ? rest : Math.min(COPY_BYTES_MAX, rest - COPY_BYTES_MIN)
      this.#byte(((taken - 1) << 2) | COPY_2_BYTE_OFFSET)
      this.#byte(distance & 0xff)
      this.#byte(distance >> 8)
      rest -= taken
    }
  }

  #byte(value: number): void {
    this.#target[this.#position] = value
    this.#position += 1
  }
}
