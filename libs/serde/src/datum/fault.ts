import { DecodeError } from '@fairlead/base'
import type { AvroSchema } from '@fairlead/avro'

/** More of a place helps nobody: bytes that were made up nest as deep as they say. */
const PATH_LENGTH_MAX = 200
/** Seven of 64 bits to a byte. */
const VARINT_BYTES_MAX = 10

/**
 * The first thing in the bytes that no writer with this schema writes, with its place; undefined when
 * all that is there is well-formed, or nests too deep to tell. Of a value that avsc failed to read, as it
 * does not say where.
 */
export function faultIn(
  bytes: Uint8Array,
  of: { readonly writer: AvroSchema; readonly position: number; readonly end: number },
): DecodeError | undefined {
  try {
    new Walk(bytes, of.position, of.end).through(of.writer)
    return undefined
  } catch (error) {
    return error instanceof DecodeError ? error : undefined
  }
}

class Walk {
  readonly #bytes: Uint8Array
  readonly #end: number
  readonly #path: string[] = []
  #position: number

  constructor(bytes: Uint8Array, position: number, end: number) {
    this.#bytes = bytes
    this.#position = position
    this.#end = end
  }

  through(schema: AvroSchema): void {
    switch (schema.kind) {
      case 'null':
        return
      case 'boolean':
        return this.#skip(1)
      case 'int':
        return this.#int()
      case 'long':
        this.#varint()
        return
      case 'float':
        return this.#skip(4)
      case 'double':
        return this.#skip(8)
      case 'bytes':
      case 'string':
        return this.#skip(this.#length())
      case 'fixed':
        return this.#skip(schema.sizeBytes)
      case 'enum':
        this.#memberOf(schema.symbols, `symbol of ${schema.name.fullName}`)
        return
      case 'union':
        return this.through(this.#memberOf(schema.branches, 'branch of a union'))
      case 'array':
        return this.#blocks((index) => this.#within(`[${index}]`, schema.items))
      case 'map':
        // The key may be a person's, or anything else that was taken for one: errors end up in logs.
        return this.#blocks((index) => {
          this.#skip(this.#length())
          this.#within(`[${index}]`, schema.values)
        })
      case 'record':
        for (const { name, type } of schema.fields) this.#within(`.${name}`, type)
    }
  }

  #within(place: string, schema: AvroSchema): void {
    this.#path.push(place)
    this.through(schema)
    this.#path.pop()
  }

  #blocks(item: (index: number) => void): void {
    let index = 0
    for (;;) {
      let count = this.#varint()
      if (count === 0n) return
      if (count < 0n) {
        count = -count
        this.#varint()
      }
      for (; count > 0n; count -= 1n) {
        const before = this.#position
        item(index)
        // Nothing can be wrong with those that follow: they take no bytes either.
        if (this.#position === before) break
        index += 1
      }
    }
  }

  #memberOf<Member>(members: readonly Member[], what: string): Member {
    const start = this.#position
    const index = this.#varint()
    const member = members[Number(index)]
    if (member === undefined) this.#fail(`there is no ${what} with index ${index}`, start)
    return member
  }

  #int(): void {
    const start = this.#position
    const value = this.#varint()
    if (BigInt.asIntN(32, value) !== value) this.#fail('an int is beyond 32 bits', start)
  }

  #length(): number {
    const start = this.#position
    const length = this.#varint()
    if (length < 0n) this.#fail(`a length is ${length}`, start)
    return Number(length)
  }

  #varint(): bigint {
    const start = this.#position
    let value = 0n
    for (let count = 0; count < VARINT_BYTES_MAX; count += 1) {
      this.#skip(1)
      const byte = BigInt(this.#bytes[this.#position - 1] ?? 0)
      value |= (byte & 0x7fn) << BigInt(7 * count)
      if (byte < 0x80n && value < 1n << 64n) return value & 1n ? -((value + 1n) >> 1n) : value >> 1n
    }
    return this.#fail('a number is beyond 64 bits', start)
  }

  #skip(count: number): void {
    if (count > this.#end - this.#position) this.#fail('the bytes end within a value', this.#end)
    this.#position += count
  }

  #fail(message: string, position: number): never {
    const path = this.#path.join('')
    const shown = path.length > PATH_LENGTH_MAX ? `${path.slice(0, PATH_LENGTH_MAX)}…` : path
    throw new DecodeError(message, position, shown)
  }
}
