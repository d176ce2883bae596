import { invariant } from '@fairlead/base'
import { UUID_BYTES, writeUuid } from './uuid.ts'

const INITIAL_BYTES = 256
/** Larger byte strings are passed on as chunks of their own instead of being copied. */
const COPY_BYTES_MAX = 1024
const UTF8 = new TextEncoder()

/**
 * Writes the protocol's types into a list of chunks for a gathering write. Small values are copied
 * into a growing buffer; record batches go through by reference.
 */
export class ByteWriter {
  readonly #chunks: Uint8Array[] = []
  #buffer = new Uint8Array(INITIAL_BYTES)
  #view = new DataView(this.#buffer.buffer)
  /** Where the part of the buffer starts that is in no chunk yet. */
  #start = 0
  #position = 0
  #finishedBytes = 0

  /** Bytes written so far. */
  get sizeBytes(): number {
    return this.#finishedBytes + this.#position - this.#start
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0)
  }

  int8(value: number): void {
    invariant((value << 24) >> 24 === value, () => `${value} is not an int8`)
    const position = this.#grow(1)
    this.#view.setInt8(position, value)
  }

  int16(value: number): void {
    invariant((value << 16) >> 16 === value, () => `${value} is not an int16`)
    const position = this.#grow(2)
    this.#view.setInt16(position, value)
  }

  uint16(value: number): void {
    invariant((value & 0xffff) === value, () => `${value} is not a uint16`)
    const position = this.#grow(2)
    this.#view.setUint16(position, value)
  }

  int32(value: number): void {
    invariant((value | 0) === value, () => `${value} is not an int32`)
    const position = this.#grow(4)
    this.#view.setInt32(position, value)
  }

  int64(value: number): void {
    invariant(Number.isSafeInteger(value), () => `${value} is not an integer of 53 bits`)
    const position = this.#grow(8)
    this.#view.setInt32(position, Math.floor(value / 0x1_0000_0000))
    this.#view.setUint32(position + 4, value >>> 0)
  }

  float64(value: number): void {
    const position = this.#grow(8)
    this.#view.setFloat64(position, value)
  }

  uvarint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.#uint8((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    this.#uint8(rest)
  }

  uuid(text: string): void {
    const position = this.#grow(UUID_BYTES)
    writeUuid(text, this.#buffer, position)
  }

  bytes(bytes: Uint8Array): void {
    if (bytes.length > COPY_BYTES_MAX) {
      this.#reference(bytes)
      return
    }
    const position = this.#grow(bytes.length)
    this.#buffer.set(bytes, position)
  }

  /** The whole message as chunks; the writer is used up. */
  finish(): Uint8Array[] {
    this.#closeChunk()
    return this.#chunks
  }

  #uint8(value: number): void {
    const position = this.#grow(1)
    this.#view.setUint8(position, value)
  }

  #reference(bytes: Uint8Array): void {
    this.#closeChunk()
    this.#chunks.push(bytes)
    this.#finishedBytes += bytes.length
  }

  #closeChunk(): void {
    if (this.#position === this.#start) return
    this.#chunks.push(this.#buffer.subarray(this.#start, this.#position))
    this.#finishedBytes += this.#position - this.#start
    this.#start = this.#position
  }

  /**
   * Makes room for `length` bytes and returns where they go. It may replace the buffer: call it
   * before `#buffer` or `#view` is evaluated, not among the arguments of their methods.
   */
  #grow(length: number): number {
    const position = this.#position
    if (position + length > this.#buffer.length) {
      const pending = this.#buffer.subarray(this.#start, position)
      const larger = new Uint8Array(Math.max(2 * this.#buffer.length, pending.length + length))
      larger.set(pending)
      this.#buffer = larger
      this.#view = new DataView(larger.buffer)
      this.#start = 0
      this.#position = pending.length
      return this.#grow(length)
    }
    this.#position = position + length
    return position
  }
}

/** UTF-8 of a text. */
export function utf8(text: string): Uint8Array {
  return UTF8.encode(text)
}
