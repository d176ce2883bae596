import { DecodeError } from '@fairlead/base'
import { UUID_BYTES, uuidText } from './uuid.ts'

/** A byte order mark is a character like any other: without it a name would be another name. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Up to this length reading ASCII character by character beats a call of the decoder. */
const SHORT_TEXT_BYTES = 32
const UVARINT_BYTES_MAX = 5
/**
 * Array elements of one message, nested ones included. An element of two bytes becomes a value of a
 * hundred: without a limit a legal frame of 100 MB would fill the heap.
 */
export const ELEMENTS_MAX: number = 300_000

/**
 * Reads the protocol's types from one frame. It never passes the end of the frame, never copies, and
 * never allocates by a length that the frame declares but does not hold.
 *
 * Every method throws `DecodeError`, and nothing else, when the bytes are not what it reads.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #position: number
  readonly #elementsMax: number
  #elementCount = 0

  constructor(bytes: Uint8Array, position = 0, elementsMax: number = ELEMENTS_MAX) {
    const { buffer, byteOffset, byteLength } = bytes
    // A socket gives a Buffer, whose views are Buffers, whose `slice` does not copy.
    const isPlain = bytes.constructor === Uint8Array
    this.#bytes = isPlain ? bytes : new Uint8Array(buffer, byteOffset, byteLength)
    this.#view = new DataView(buffer, byteOffset, byteLength)
    this.#position = position
    this.#elementsMax = elementsMax
  }

  get position(): number {
    return this.#position
  }

  /** Elements of all arrays that were read so far. */
  get elementCount(): number {
    return this.#elementCount
  }

  get remaining(): number {
    return this.#bytes.length - this.#position
  }

  boolean(): boolean {
    return this.int8() !== 0
  }

  int8(): number {
    return this.#view.getInt8(this.#advance(1))
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1))
  }

  int16(): number {
    return this.#view.getInt16(this.#advance(2))
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2))
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4))
  }

  /** An int64 that is an integer of at most 53 bits; anything else would be rounded. */
  int64(): number {
    const position = this.#advance(8)
    const value = this.#view.getInt32(position) * 0x1_0000_0000 + this.#view.getUint32(position + 4)
    if (!Number.isSafeInteger(value)) {
      throw new DecodeError(`int64 ${this.#view.getBigInt64(position)} exceeds 53 bits`, position)
    }
    return value
  }

  float64(): number {
    return this.#view.getFloat64(this.#advance(8))
  }

  /** Unsigned LEB128 of at most 32 bits. */
  uvarint(): number {
    const start = this.#position
    let value = 0
    for (let index = 0; index < UVARINT_BYTES_MAX; index += 1) {
      const byte = this.uint8()
      value += (byte & 0x7f) * 2 ** (7 * index)
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break
        return value
      }
    }
    throw new DecodeError('an unsigned varint exceeds 32 bits', start)
  }

  uuid(): string {
    return uuidText(this.#bytes, this.#advance(UUID_BYTES))
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    const start = this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** UTF-8 of `length` bytes; malformed UTF-8 is an error, since a name that is rounded is another name. */
  text(length: number): string {
    const start = this.#advance(length)
    if (length <= SHORT_TEXT_BYTES) {
      const text = this.#ascii(start, length)
      if (text !== undefined) return text
    }
    try {
      return UTF8.decode(this.#bytes.subarray(start, start + length))
    } catch {
      throw new DecodeError('a string is not UTF-8', start)
    }
  }

  /**
   * Call it with the declared length of an array before its elements are read. More elements than
   * the bytes that are left can hold are a lie.
   */
  countElements(count: number, elementBytesMin: number): void {
    this.#elementCount += count
    if (count * elementBytesMin > this.remaining || this.#elementCount > this.#elementsMax) {
      throw new DecodeError(`an array of ${count} in ${this.remaining} bytes`, this.#position)
    }
  }

  skip(length: number): void {
    this.#advance(length)
  }

  #ascii(start: number, length: number): string | undefined {
    let text = ''
    for (let index = start; index < start + length; index += 1) {
      const byte = this.#bytes[index] ?? 0
      if (byte >= 0x80) return undefined
      text += String.fromCharCode(byte)
    }
    return text
  }

  /** Passes `length` bytes and returns where they start. */
  #advance(length: number): number {
    const start = this.#position
    if (length < 0 || start + length > this.#bytes.length) {
      throw new DecodeError(`${length} bytes expected, ${this.remaining} left`, start)
    }
    this.#position = start + length
    return start
  }
}
