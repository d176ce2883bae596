import { DecodeError } from '@fairlead/base'
import {
  type AvroSchema,
  type RecordField,
  type RecordSchema,
  type UnionSchema,
  incompatibilities,
  isNamed,
} from '@fairlead/avro'
import { ByteCursor } from './byte-cursor.ts'
import { type Datum, rawDefault, setMember, timestampOf } from './datum.ts'
import { encodeDatum } from './datum-encoder.ts'

/** Items of one array or entries of one map: those of no size cost a sender nothing. */
const ITEMS_MAX = 1_000_000
/** Records within records, for recursive types. */
const DEPTH_MAX = 500

type Decode = (cursor: ByteCursor) => Datum

/**
 * Decodes what `writer` wrote into values of `reader` (Avro 1.12, "Schema Resolution"), with the name
 * rules of `incompatibilities`: what the registry accepts can be decoded.
 */
export class DatumDecoder {
  readonly #decode: Decode

  /** @throws {DecodeError} when the reader cannot read what the writer writes. */
  constructor(writer: AvroSchema, reader: AvroSchema = writer) {
    this.#decode = new Resolution().decoder(writer, reader)
  }

  /**
   * Decodes from `position` to the end of the bytes.
   *
   * @throws {DecodeError}
   */
  decode(bytes: Uint8Array, position: number = 0): Datum {
    const cursor = new ByteCursor(bytes, position)
    const value = this.#decode(cursor)
    if (!cursor.isAtEnd) cursor.fail('bytes are left over behind the value')
    return value
  }
}

class Resolution {
  readonly #records = new Map<AvroSchema, Map<AvroSchema, Decode>>()

  decoder(writer: AvroSchema, reader: AvroSchema): Decode {
    if (writer.kind === 'union') return this.#writerUnion(writer, reader)
    if (reader.kind === 'union') return this.#readerUnion(writer, reader)
    if (writer.kind === 'record' && reader.kind === 'record') return this.#record(writer, reader)
    if (writer.kind === 'array' && reader.kind === 'array') {
      return arrayDecoder(this.decoder(writer.items, reader.items))
    }
    if (writer.kind === 'map' && reader.kind === 'map') {
      return mapDecoder(this.decoder(writer.values, reader.values))
    }
    if (writer.kind === 'enum' && reader.kind === 'enum') {
      const symbols = writer.symbols.map((symbol) =>
        reader.symbols.includes(symbol) ? symbol : reader.defaultSymbol,
      )
      return (cursor) => {
        const index = cursor.int()
        return symbols[index] ?? cursor.fail(`the reader has no symbol for index ${index}`)
      }
    }
    if (
      writer.kind === 'fixed' &&
      reader.kind === 'fixed' &&
      writer.sizeBytes === reader.sizeBytes
    ) {
      return (cursor) => cursor.fixed(writer.sizeBytes)
    }
    return primitiveDecoder(writer, reader)
  }

  /** A branch that the reader cannot read fails only when it comes. */
  #writerUnion(writer: UnionSchema, reader: AvroSchema): Decode {
    const branches = writer.branches.map((branch): Decode => {
      if (incompatibilities(reader, branch).length === 0) return this.decoder(branch, reader)
      return (cursor) => cursor.fail(`the reader cannot read a ${branch.kind}`)
    })
    return (cursor) => {
      const index = cursor.int()
      const decode = branches[index]
      return decode === undefined ? cursor.fail(`no branch ${index} in a union`) : decode(cursor)
    }
  }

  #readerUnion(writer: AvroSchema, reader: UnionSchema): Decode {
    const readable = reader.branches.filter(
      (branch) => incompatibilities(branch, writer).length === 0,
    )
    const branch = readable.find((candidate) => isSameType(candidate, writer)) ?? readable[0]
    if (branch === undefined) throw unreadable(writer, reader)
    return this.decoder(writer, branch)
  }

  #record(writer: RecordSchema, reader: RecordSchema): Decode {
    let readers = this.#records.get(writer)
    if (readers === undefined) this.#records.set(writer, (readers = new Map()))
    const known = readers.get(reader)
    if (known !== undefined) return known

    // The decoder of a recursive type refers to itself before it is complete.
    let decodeFields: Decode = (cursor) =>
      cursor.fail('a record is decoded before its type is known')
    const decode: Decode = (cursor) => {
      cursor.depth += 1
      if (cursor.depth > DEPTH_MAX) cursor.fail(`records nest deeper than ${DEPTH_MAX}`)
      const value = decodeFields(cursor)
      cursor.depth -= 1
      return value
    }
    readers.set(reader, decode)
    decodeFields = this.#fields(writer, reader)
    return decode
  }

  #fields(writer: RecordSchema, reader: RecordSchema): Decode {
    const written = writer.fields.map((field) => {
      const target = reader.fields.find(
        ({ name, aliases }) => name === field.name || aliases.includes(field.name),
      )
      const decode = this.decoder(field.type, target?.type ?? field.type)
      return { target: target?.name, decode }
    })
    const names = new Set(written.map(({ target }) => target))
    const missing = reader.fields
      .filter(({ name }) => !names.has(name))
      .map((field) => ({ name: field.name, decode: this.#default(field, reader) }))
    const order = reader.fields.map(({ name }) => name)
    const isInOrder = written.every(({ target }, index) => target === order[index])

    return (cursor) => {
      const value: Record<string, Datum> = {}
      if (!isInOrder) for (const name of order) setMember(value, name, undefined)
      for (const { target, decode } of written) {
        const member = decode(cursor)
        if (target !== undefined) setMember(value, target, member)
      }
      for (const { name, decode } of missing) setMember(value, name, decode(cursor))
      return value
    }
  }

  /** The default is encoded once and decoded each time, so that no two values share an object. */
  #default(field: RecordField, reader: RecordSchema): Decode {
    const { defaultValue, type } = field
    if (defaultValue === undefined) {
      throw new DecodeError(
        `field ${reader.name.fullName}.${field.name} is not written and has no default`,
        0,
      )
    }
    const bytes = encodeDatum(type, rawDefault(type, defaultValue))
    const decode = this.decoder(type, type)
    return () => decode(new ByteCursor(bytes, 0))
  }
}

function primitiveDecoder(writer: AvroSchema, reader: AvroSchema): Decode {
  const pair = `${writer.kind} ${reader.kind}`
  switch (pair) {
    case 'null null':
      return () => null
    case 'boolean boolean':
      return (cursor) => cursor.boolean()
    case 'int int':
    case 'int float':
    case 'int double':
      return (cursor) => cursor.int()
    case 'int long':
    case 'long long':
      return longDecoder(reader)
    case 'long float':
    case 'long double':
      return (cursor) => Number(cursor.long())
    case 'float float':
    case 'float double':
      return (cursor) => cursor.float()
    case 'double double':
      return (cursor) => cursor.double()
    case 'bytes bytes':
    case 'string bytes':
      return (cursor) => cursor.bytes()
    case 'string string':
    case 'bytes string':
      return (cursor) => cursor.string()
    default:
      throw unreadable(writer, reader)
  }
}

/** An int is encoded as a long of the same value. */
function longDecoder(reader: AvroSchema): Decode {
  switch (timestampOf(reader)) {
    case 'timestamp-millis':
      return (cursor) => new Date(Number(cursor.long()))
    case 'timestamp-micros':
      return (cursor) => new Date(millisOf(cursor.long()))
    case undefined:
      return (cursor) => cursor.long()
  }
}

/** Rounded down, before 1970 as well; a double could not hold the microseconds. */
function millisOf(micros: bigint): number {
  return Number(micros / 1_000n) - (micros % 1_000n < 0n ? 1 : 0)
}

function arrayDecoder(decodeItem: Decode): Decode {
  return (cursor) => {
    const items: Datum[] = []
    readBlocks(cursor, () => items.push(decodeItem(cursor)))
    return items
  }
}

function mapDecoder(decodeValue: Decode): Decode {
  return (cursor) => {
    const value: Record<string, Datum> = {}
    readBlocks(cursor, () => setMember(value, cursor.string(), decodeValue(cursor)))
    return value
  }
}

/** Blocks of a count and so many items, until a count of 0; a negative count has its size behind it. */
function readBlocks(cursor: ByteCursor, readItem: () => void): void {
  let total = 0
  for (;;) {
    const count = cursor.long()
    if (count === 0n) return
    if (count < 0n) cursor.long()
    const itemCount = Number(count < 0n ? -count : count)
    total += itemCount
    if (total > ITEMS_MAX) cursor.fail(`more than ${ITEMS_MAX} items`)
    for (let index = 0; index < itemCount; index += 1) readItem()
  }
}

function isSameType(left: AvroSchema, right: AvroSchema): boolean {
  if (left.kind !== right.kind) return false
  return isNamed(left) && isNamed(right) ? left.name.name === right.name.name : true
}

function unreadable(writer: AvroSchema, reader: AvroSchema): DecodeError {
  return new DecodeError(`a reader of ${reader.kind} cannot read ${writer.kind}`, 0)
}
