import { InvariantViolation } from '@fairlead/base'
import { UUID_BYTES, writeUuid } from './uuid.ts'

/** Small messages stand in one buffer, one behind the other: most have less than 200 bytes. */
const SLAB_BYTES = 16_384
/** What each begins with, and gives back what it did not use of it. */
const SHARE_BYTES = 2_048
/** Larger byte strings are passed on as chunks of their own instead of being copied. */
const COPY_BYTES_MAX = 1024
const UTF8 = new TextEncoder()

/**
 * The buffer that messages begin in. It is the garbage collector's once all of its messages are.
 *
 * Invariant: what stands before `takenBytes` belongs to some message, and does not change any more, or to
 * a writer that has not finished.
 */
type Slab = { readonly bytes: Uint8Array; readonly view: DataView; takenBytes: number }

let currentSlab = newSlab()

function newSlab(): Slab {
  const bytes = new Uint8Array(SLAB_BYTES)
  return { bytes, view: new DataView(bytes.buffer), takenBytes: 0 }
}

function slabWithRoom(): Slab {
  if (currentSlab.takenBytes + SHARE_BYTES > SLAB_BYTES) currentSlab = newSlab()
  return currentSlab
}

/**
 * Writes the protocol's types into a list of chunks for a gathering write. Small values are copied
 * into a growing buffer; record batches go through by reference.
 */
export class ByteWriter {
  readonly #chunks: Uint8Array[] = []
  readonly #slab: Slab
  /** That of the slab, until its share of it is too small. */
  #buffer: Uint8Array
  #view: DataView
  /** Where the part of the buffer starts that is in no chunk yet. */
  #start: number
  #position: number
  /** Nothing is written to the buffer from here on. */
  #end: number
  #finishedBytes = 0

  constructor() {
    const slab = slabWithRoom()
    this.#slab = slab
    this.#buffer = slab.bytes
    this.#view = slab.view
    this.#start = slab.takenBytes
    this.#position = this.#start
    this.#end = this.#start + SHARE_BYTES
    slab.takenBytes = this.#end
  }

  /** Bytes written so far. */
  get sizeBytes(): number {
    return this.#finishedBytes + this.#position - this.#start
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0)
  }

  int8(value: number): void {
    if ((value << 24) >> 24 !== value) throw outOfRange(value, 'an int8')
    const position = this.#grow(1)
    this.#view.setInt8(position, value)
  }

  int16(value: number): void {
    if ((value << 16) >> 16 !== value) throw outOfRange(value, 'an int16')
    const position = this.#grow(2)
    this.#view.setInt16(position, value)
  }

  uint16(value: number): void {
    if ((value & 0xffff) !== value) throw outOfRange(value, 'a uint16')
    const position = this.#grow(2)
    this.#view.setUint16(position, value)
  }

  int32(value: number): void {
    if ((value | 0) !== value) throw outOfRange(value, 'an int32')
    const position = this.#grow(4)
    this.#view.setInt32(position, value)
  }

  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw outOfRange(value, 'an integer of 53 bits')
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

  /** A text of which `isAscii` holds: a byte for each of its characters. */
  ascii(text: string): void {
    const position = this.#grow(text.length)
    for (let index = 0; index < text.length; index += 1) {
      this.#buffer[position + index] = text.charCodeAt(index)
    }
  }

  /** The whole message as chunks; the writer is used up. */
  finish(): Uint8Array[] {
    this.#closeChunk()
    this.#giveBackShare()
    return this.#chunks
  }

  /** What is in no chunk, unless another writer stands behind it. */
  #giveBackShare(): void {
    const slab = this.#slab
    if (this.#buffer === slab.bytes && slab.takenBytes === this.#end) slab.takenBytes = this.#start
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
    if (position + length > this.#end) {
      const pending = this.#buffer.subarray(this.#start, position)
      const larger = new Uint8Array(Math.max(2 * SHARE_BYTES, 2 * (pending.length + length)))
      larger.set(pending)
      this.#giveBackShare()
      this.#buffer = larger
      this.#end = larger.length
      this.#view = new DataView(larger.buffer)
      this.#start = 0
      this.#position = pending.length
      return this.#grow(length)
    }
    this.#position = position + length
    return position
  }
}

function outOfRange(value: number, type: string): InvariantViolation {
  return new InvariantViolation(`${value} is not ${type}`)
}

/** Whether its UTF-8 has a byte for each of its characters. Names have, but for those of people. */
export function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (text.charCodeAt(index) >= 0x80) return false
  }
  return true
}

/** UTF-8 of a text. */
export function utf8(text: string): Uint8Array {
  return UTF8.encode(text)
}
