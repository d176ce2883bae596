import { invariant } from '@fairlead/base'

const INITIAL_BYTES = 512
/** Of 32 bits. */
const VARINT_BYTES_MAX = 5
const UUID_BYTES = 16
const NO_UUID = Buffer.alloc(UUID_BYTES)

/**
 * Writes the primitive types of Kafka's protocol into one buffer: those of flexible versions (KIP-482), unless a
 * method says otherwise.
 */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES)
  #length = 0

  /** What was written, until the next call. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Makes room for so many bytes and a few at once: large ones are copied once. */
  reserve(lengthBytes: number): void {
    this.#advance(lengthBytes + INITIAL_BYTES)
    this.#length -= lengthBytes + INITIAL_BYTES
  }

  int8(value: number): this {
    const start = this.#advance(1)
    this.#bytes.writeInt8(value, start)
    return this
  }

  int16(value: number): this {
    const start = this.#advance(2)
    this.#bytes.writeInt16BE(value, start)
    return this
  }

  int32(value: number): this {
    const start = this.#advance(4)
    this.#bytes.writeInt32BE(value, start)
    return this
  }

  int64(value: number | bigint): this {
    const start = this.#advance(8)
    this.#bytes.writeBigInt64BE(BigInt(value), start)
    return this
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  /** Undefined is the id of nothing: all zeros. */
  uuid(value: string | undefined): this {
    const bytes = value === undefined ? NO_UUID : Buffer.from(value.replaceAll('-', ''), 'hex')
    invariant(bytes.length === UUID_BYTES, () => `"${value}" is a UUID`)
    return this.raw(bytes)
  }

  nullableBytes(value: Uint8Array | null): this {
    if (value === null) return this.#unsignedVarint(0)
    return this.#unsignedVarint(value.length + 1).raw(value)
  }

  nullableString(value: string | null): this {
    return this.nullableBytes(value === null ? null : Buffer.from(value))
  }

  string(value: string): this {
    return this.nullableString(value)
  }

  /** `write` ends items that are structures with {@link tags}. */
  array<Item>(items: readonly Item[], write: (item: Item) => void): this {
    this.#unsignedVarint(items.length + 1)
    for (const item of items) write(item)
    return this
  }

  nullArray(): this {
    return this.#unsignedVarint(0)
  }

  /** The tagged fields of a structure: we send none. */
  tags(): this {
    return this.#unsignedVarint(0)
  }

  /** As before flexible versions: with a length of 16 bits. */
  plainString(value: string): this {
    const bytes = Buffer.from(value)
    return this.int16(bytes.length).raw(bytes)
  }

  /** As before flexible versions: with a length of 32 bits. */
  plainNullableBytes(value: Uint8Array | null): this {
    return value === null ? this.int32(-1) : this.int32(value.length).raw(value)
  }

  /** As before flexible versions: with a count of 32 bits. */
  plainArray<Item>(items: readonly Item[], write: (item: Item) => void): this {
    this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  raw(bytes: Uint8Array): this {
    const start = this.#advance(bytes.length)
    this.#bytes.set(bytes, start)
    return this
  }

  #unsignedVarint(value: number): this {
    const start = this.#advance(VARINT_BYTES_MAX)
    let rest = value
    let end = start
    for (; rest > 0x7f; end += 1) {
      this.#bytes[end] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[end] = rest
    this.#length = end + 1
    return this
  }

  /** Call before `#bytes` is read: it may be another buffer then. */
  #advance(lengthBytes: number): number {
    const start = this.#length
    const end = start + lengthBytes
    if (end > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, 2 * this.#bytes.length))
      grown.set(this.bytes)
      this.#bytes = grown
    }
    this.#length = end
    return start
  }
}
