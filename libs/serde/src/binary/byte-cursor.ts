import { DecodeError } from '@fairlead/base'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Reads Avro's binary encoding from bytes that may be anything. */
export class ByteCursor {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  /** Nesting of records at the moment, for the bound on recursive types. */
  depth = 0
  position: number

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.position = position
  }

  get isAtEnd(): boolean {
    return this.position === this.#bytes.length
  }

  boolean(): boolean {
    const byte = this.#byte()
    if (byte > 1) this.fail(`a boolean is 0 or 1, not ${byte}`)
    return byte === 1
  }

  /** A zigzag varint within 32 bits. */
  int(): number {
    const value = this.long()
    if (BigInt.asIntN(32, value) !== value) this.fail('an int is beyond 32 bits')
    return Number(value)
  }

  /** A zigzag varint within 64 bits. */
  long(): bigint {
    let low = 0
    // Seven bits a byte; four bytes fit into the fast path of 28 bits.
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return BigInt((low >>> 1) ^ -(low & 1))
    }
    let value = BigInt(low)
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        if (value >= 1n << 64n) this.fail('a long is beyond 64 bits')
        return (value >> 1n) ^ -(value & 1n)
      }
    }
    return this.fail('a varint has more than ten bytes')
  }

  float(): number {
    this.#need(4)
    this.position += 4
    return this.#view.getFloat32(this.position - 4, true)
  }

  double(): number {
    this.#need(8)
    this.position += 8
    return this.#view.getFloat64(this.position - 8, true)
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    return this.fixed(this.#length())
  }

  string(): string {
    const bytes = this.bytes()
    try {
      return utf8.decode(bytes)
    } catch {
      return this.fail('a string is not UTF-8')
    }
  }

  fixed(sizeBytes: number): Uint8Array {
    this.#need(sizeBytes)
    this.position += sizeBytes
    return this.#bytes.subarray(this.position - sizeBytes, this.position)
  }

  fail(message: string): never {
    throw new DecodeError(message, this.position)
  }

  #length(): number {
    const length = this.long()
    if (length < 0n) this.fail('a length is negative')
    return Number(length)
  }

  #byte(): number {
    const byte = this.#bytes[this.position]
    if (byte === undefined) this.fail('the bytes end within a value')
    this.position += 1
    return byte
  }

  #need(sizeBytes: number): void {
    if (sizeBytes > this.#bytes.length - this.position) this.fail('the bytes end within a value')
  }
}
