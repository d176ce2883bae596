import { InvalidSchemaError } from '../../invalid-schema-error.ts'

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

const utf8 = new TextEncoder()

/** Fields of one Protobuf message by their numbers; what is not asked for is not looked at. */
export class WireMessage {
  readonly #fields = new Map<number, (number | Uint8Array)[]>()

  /** @throws {InvalidSchemaError} when the bytes are no message. */
  constructor(bytes: Uint8Array) {
    const cursor = new Cursor(bytes)
    while (!cursor.isAtEnd) {
      const key = cursor.varint()
      const tag = Math.floor(key / 8)
      const values = this.#fields.get(tag)
      const value = cursor.value(key % 8)
      if (values === undefined) this.#fields.set(tag, [value])
      else values.push(value)
    }
  }

  /** The last one counts. */
  number(tag: number): number | undefined {
    const value = this.#fields.get(tag)?.at(-1)
    return typeof value === 'number' ? value : undefined
  }

  flag(tag: number): boolean {
    return (this.number(tag) ?? 0) !== 0
  }

  text(tag: number): string | undefined {
    return this.texts(tag).at(-1)
  }

  texts(tag: number): string[] {
    return this.#bytes(tag).map((bytes) => new TextDecoder().decode(bytes))
  }

  message(tag: number): WireMessage | undefined {
    return this.messages(tag).at(-1)
  }

  messages(tag: number): WireMessage[] {
    return this.#bytes(tag).map((bytes) => new WireMessage(bytes))
  }

  numbers(tag: number): number[] {
    return (this.#fields.get(tag) ?? []).filter((value) => typeof value === 'number')
  }

  #bytes(tag: number): Uint8Array[] {
    return (this.#fields.get(tag) ?? []).filter((value) => typeof value !== 'number')
  }
}

class Cursor {
  readonly #bytes: Uint8Array
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#bytes.length
  }

  /** Negative int32 values are ten bytes long; their upper half is ones. */
  varint(): number {
    let [value, scale, lowBits] = [0, 1, 0]
    for (let count = 0; count < 10; count += 1) {
      const byte = this.#bytes[this.#position]
      if (byte === undefined) break
      this.#position += 1
      value += (byte & 0x7f) * scale
      if (count < 5) lowBits |= (byte & 0x7f) << (7 * count)
      scale *= 128
      if (byte < 0x80) return count === 9 ? lowBits : value
    }
    throw truncated()
  }

  value(wireType: number): number | Uint8Array {
    switch (wireType) {
      case VARINT:
        return this.varint()
      case BYTES:
        return this.#take(this.varint())
      case FIXED32:
        return this.#take(4)
      case FIXED64:
        return this.#take(8)
      default:
        throw new InvalidSchemaError(
          `a descriptor has a field of the unknown wire type ${wireType}`,
        )
    }
  }

  #take(length: number): Uint8Array {
    const end = this.#position + length
    if (end > this.#bytes.length) throw truncated()
    const taken = this.#bytes.subarray(this.#position, end)
    this.#position = end
    return taken
  }
}

function truncated(): InvalidSchemaError {
  return new InvalidSchemaError('a descriptor ends in the middle of a field')
}

/** Writes one Protobuf message; what is undefined is left out. */
export class WireWriter {
  readonly #bytes: number[] = []

  get bytes(): readonly number[] {
    return this.#bytes
  }

  number(tag: number, value: number | undefined): this {
    if (value === undefined) return this
    this.#varint(tag * 8 + VARINT)
    this.#varint(value)
    return this
  }

  flag(tag: number, value: boolean): this {
    return value ? this.number(tag, 1) : this
  }

  text(tag: number, value: string | undefined): this {
    return value === undefined ? this : this.#block(tag, utf8.encode(value))
  }

  texts(tag: number, values: readonly string[]): this {
    for (const value of values) this.text(tag, value)
    return this
  }

  /** An empty message of options is as good as none. */
  options(tag: number, message: WireWriter): this {
    return message.#bytes.length === 0 ? this : this.#block(tag, message.#bytes)
  }

  messages(tag: number, messages: readonly WireWriter[]): this {
    for (const message of messages) this.#block(tag, message.#bytes)
    return this
  }

  #block(tag: number, bytes: Iterable<number> & { readonly length: number }): this {
    this.#varint(tag * 8 + BYTES)
    this.#varint(bytes.length)
    for (const byte of bytes) this.#bytes.push(byte)
    return this
  }

  #varint(value: number): void {
    let rest = value < 0 ? BigInt.asUintN(64, BigInt(value)) : BigInt(value)
    while (rest > 0x7fn) {
      this.#bytes.push(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    this.#bytes.push(Number(rest))
  }
}
