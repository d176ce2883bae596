import { DecodeError, hyphenatedUuid } from '@fairlead/base'

const VARINT_BYTES_MAX = 10
/** Of seven bits each: as many as an int of 32 bits has place for. */
const VARINT_INT_BYTES_MAX = 4
const UUID_BYTES = 16
const NO_BYTES = new Uint8Array()
const INT31_MAX = 2 ** 31 - 1

const utf8 = new TextDecoder()

/**
 * Reads the primitive types of Kafka's protocol from one buffer: those of flexible versions (KIP-482), unless a
 * method says otherwise. It never reads past the end of the buffer: that is a DecodeError. Byte strings are views.
 */
export class ByteReader {
  readonly #bytes: Buffer
  readonly #view: DataView
  #position: number

  constructor(bytes: Uint8Array, position = 0) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#position = position
  }

  get bytes(): Buffer {
    return this.#bytes
  }

  get position(): number {
    return this.#position
  }

  /** To a position that was read before. */
  seek(position: number): void {
    this.#position = position
  }

  get remaining(): number {
    return this.#bytes.length - this.#position
  }

  int8(): number {
    return this.#view.getInt8(this.#advance(1))
  }

  int16(): number {
    return this.#view.getInt16(this.#advance(2))
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4))
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4))
  }

  /** An int64 outside the safe integers is refused, never rounded. */
  int64(): number {
    const position = this.#advance(8)
    const value = this.#view.getInt32(position) * 2 ** 32 + this.#view.getUint32(position + 4)
    if (!Number.isSafeInteger(value)) throw new DecodeError('int64 is not a safe integer', position)
    return value
  }

  /** As {@link int64}, with all digits: a bigint outside the safe integers. */
  wideInt64(): number | bigint {
    const value = this.#view.getBigInt64(this.#advance(8))
    const near = Number(value)
    return Number.isSafeInteger(near) ? near : value
  }

  unsignedVarint(): number {
    const bytes = this.#bytes
    const end = Math.min(bytes.length, this.#position + VARINT_INT_BYTES_MAX)
    let value = 0
    for (let position = this.#position, shift = 0; position < end; position += 1, shift += 7) {
      const byte = bytes[position] as number
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.#position = position + 1
        return value
      }
    }
    return this.#longUnsignedVarint()
  }

  /** Of any length: in doubles, which the others do without. */
  #longUnsignedVarint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < VARINT_BYTES_MAX; count += 1) {
      const byte = this.#view.getUint8(this.#advance(1))
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw new DecodeError('varint is longer than ten bytes', this.#position)
  }

  /** Zigzag varint or varlong. */
  varint(): number {
    const value = this.unsignedVarint()
    if (!Number.isSafeInteger(value)) {
      throw new DecodeError('varlong is not a safe integer', this.#position)
    }
    return unzigzag(value)
  }

  /** Zigzag varlong with all digits: a bigint outside the safe integers. */
  wideVarlong(): number | bigint {
    const start = this.#position
    const value = this.unsignedVarint()
    if (Number.isSafeInteger(value)) return unzigzag(value)
    let zigzag = 0n
    for (let index = start; index < this.#position; index += 1) {
      zigzag |= BigInt(this.#view.getUint8(index) & 0x7f) << BigInt(7 * (index - start))
    }
    return BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n))
  }

  /** Goes behind bytes with a zigzag length, as in a record, and gives the length: -1 for null. */
  skipVarintBytes(): number {
    const lengthBytes = this.varint()
    if (lengthBytes < 0) return -1
    this.#advance(lengthBytes)
    return lengthBytes
  }

  nullableBytes(): Uint8Array | null {
    const length = this.#compactLength()
    return length < 0 ? null : this.view(length)
  }

  nullableString(): string | null {
    const bytes = this.nullableBytes()
    return bytes === null ? null : utf8.decode(bytes)
  }

  /** Null is empty. */
  string(): string {
    return this.nullableString() ?? ''
  }

  /** Null is empty. */
  bytesOrNone(): Uint8Array {
    return this.nullableBytes() ?? NO_BYTES
  }

  boolean(): boolean {
    return this.int8() !== 0
  }

  /** With hyphens, in lower case. */
  uuid(): string {
    return hyphenatedUuid(this.view(UUID_BYTES))
  }

  /** As before flexible versions: with a length of 16 bits. Null is empty. */
  plainString(): string {
    return utf8.decode(this.view(Math.max(0, this.int16())))
  }

  /** As before flexible versions: with a count of 32 bits. Null is empty. */
  plainArray<Item>(item: () => Item): Item[] {
    const length = this.int32()
    const items: Item[] = []
    for (let index = 0; index < length; index += 1) items.push(item())
    return items
  }

  /** A structure: what `read` reads, and the tagged fields behind it, which nobody asks for. */
  struct<Value>(read: () => Value): Value {
    const value = read()
    this.skipTaggedFields()
    return value
  }

  /** Null is empty. */
  array<Item>(item: () => Item): Item[] {
    const length = this.#compactLength()
    const items: Item[] = []
    for (let index = 0; index < length; index += 1) items.push(item())
    return items
  }

  skipTaggedFields(): void {
    this.taggedFields(() => undefined)
  }

  /** `read` is called at the beginning of each field, and may read of it what it wants. */
  taggedFields(read: (tag: number) => void): void {
    const count = this.unsignedVarint()
    for (let index = 0; index < count; index += 1) {
      const tag = this.unsignedVarint()
      const length = this.unsignedVarint()
      const end = this.#advance(length) + length
      this.#position = end - length
      read(tag)
      this.#position = end
    }
  }

  view(length: number): Uint8Array {
    const start = this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** One more than the length; 0 means null. */
  #compactLength(): number {
    return this.unsignedVarint() - 1
  }

  #advance(length: number): number {
    const start = this.#position
    if (length < 0 || length > this.remaining) {
      throw new DecodeError(`${length} bytes needed, ${this.remaining} left`, start)
    }
    this.#position = start + length
    return start
  }
}

function unzigzag(value: number): number {
  if (value <= INT31_MAX) return (value >>> 1) ^ -(value & 1)
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}
