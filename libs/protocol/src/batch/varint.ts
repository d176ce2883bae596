import { DecodeError } from '@fairlead/base'

/** A varint of a 64-bit number has at most ten bytes. */
const BYTES_MAX = 10

/** Reads the varints of records: zigzag LEB128, as Protocol Buffers has them. */
export class VarintReader {
  readonly bytes: Uint8Array
  position: number

  constructor(bytes: Uint8Array, position = 0) {
    this.bytes = bytes
    this.position = position
  }

  /** @throws {DecodeError} at the end of the bytes, and for a number of more than 53 bits. */
  varint(): number {
    const start = this.position
    let value = 0
    let scale = 1
    for (let index = 0; index < BYTES_MAX; index += 1) {
      const byte = this.bytes[this.position]
      if (byte === undefined) throw new DecodeError('a varint passes the end', start)
      this.position += 1
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      }
      scale *= 0x80
    }
    throw new DecodeError('a varint exceeds 53 bits', start)
  }

  /** A view of the next bytes; null for the length -1. */
  nullableBytes(): Uint8Array | null {
    const start = this.position
    const length = this.varint()
    if (length === -1) return null
    if (length < 0 || this.position + length > this.bytes.length) {
      throw new DecodeError(`${length} bytes expected`, start)
    }
    this.position += length
    return this.bytes.subarray(this.position - length, this.position)
  }
}

export function varintSizeBytes(value: number): number {
  let size = 1
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1
  return size
}

/** Writes a varint and returns the position behind it. */
export function writeVarint(target: Uint8Array, position: number, value: number): number {
  let at = position
  let rest = zigzag(value)
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    target[at] = (rest % 0x80) | 0x80
    at += 1
  }
  target[at] = rest
  return at + 1
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}
