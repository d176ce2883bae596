import { assertNever } from '@fairlead/base'
import type { AvroSchema, RecordSchema, UnionSchema } from '@fairlead/avro'
import { ByteSink } from './byte-sink.ts'
import { type Datum, rawDefault, timestampOf } from './datum.ts'

/** A value does not fit its schema. */
export class EncodeError extends Error {
  override readonly name = 'EncodeError'
  /** Where in the value, such as `.lines[2].price`; empty for the value itself. */
  readonly path: string

  constructor(message: string, path: string) {
    super(`${path === '' ? 'the value' : path}: ${message}`)
    this.path = path
  }
}

/** Values within values, for recursive types; a value that holds itself ends here. */
const DEPTH_MAX = 500

/**
 * Encodes a value. A field with a default may be left out; a long may be a safe integer.
 *
 * @throws {EncodeError}
 */
export function encodeDatum(schema: AvroSchema, value: Datum): Uint8Array<ArrayBuffer> {
  const encoding = new Encoding()
  encoding.write(schema, value, '')
  return encoding.sink.toBytes()
}

class Encoding {
  readonly sink = new ByteSink()
  #depth = 0

  write(schema: AvroSchema, value: Datum, path: string): void {
    this.#depth += 1
    if (this.#depth > DEPTH_MAX) throw new EncodeError(`nests deeper than ${DEPTH_MAX}`, path)
    this.#write(schema, value, path)
    this.#depth -= 1
  }

  #write(schema: AvroSchema, value: Datum, path: string): void {
    if (schema.kind === 'union') {
      this.#union(schema, value, path)
      return
    }
    if (!fits(schema, value))
      throw new EncodeError(`${show(value)} is no ${expectation(schema)}`, path)
    switch (schema.kind) {
      case 'null':
        return
      case 'boolean':
        return this.sink.byte(value === true ? 1 : 0)
      case 'int':
        return this.sink.int(value as number)
      case 'long':
        return this.sink.long(longOf(schema, value))
      case 'float':
        return this.sink.float(value as number)
      case 'double':
        return this.sink.double(value as number)
      case 'bytes':
        return this.#sized(value as Uint8Array)
      case 'string':
        return this.#sized(new TextEncoder().encode(value as string))
      case 'fixed':
        return this.sink.raw(value as Uint8Array)
      case 'enum':
        return this.sink.int(schema.symbols.indexOf(value as string))
      case 'array':
        return this.#items(value as readonly Datum[], (item, index) =>
          this.write(schema.items, item, `${path}[${index}]`),
        )
      case 'map':
        return this.#items(Object.entries(value as object), ([name, member]) => {
          this.#sized(new TextEncoder().encode(name))
          this.write(schema.values, member, `${path}.${name}`)
        })
      case 'record':
        return this.#record(schema, value as Readonly<Record<string, Datum>>, path)
      default:
        return assertNever(schema)
    }
  }

  #record(schema: RecordSchema, value: Readonly<Record<string, Datum>>, path: string): void {
    for (const { name, type, defaultValue } of schema.fields) {
      const member = Object.hasOwn(value, name) ? value[name] : undefined
      if (member === undefined && defaultValue !== undefined) {
        this.write(type, rawDefault(type, defaultValue), `${path}.${name}`)
      } else {
        this.write(type, member, `${path}.${name}`)
      }
    }
  }

  #union(schema: UnionSchema, value: Datum, path: string): void {
    const index = schema.branches.findIndex((branch) => fits(branch, value))
    const branch = schema.branches[index]
    if (branch === undefined) {
      const kinds = schema.branches.map(expectation).join(', ')
      throw new EncodeError(`${show(value)} fits no branch of the union (${kinds})`, path)
    }
    this.sink.int(index)
    this.write(branch, value, path)
  }

  #items<Item>(items: readonly Item[], writeItem: (item: Item, index: number) => void): void {
    if (items.length > 0) {
      this.sink.int(items.length)
      for (const [index, item] of items.entries()) writeItem(item, index)
    }
    this.sink.byte(0)
  }

  #sized(bytes: Uint8Array): void {
    this.sink.int(bytes.length)
    this.sink.raw(bytes)
  }
}

/**
 * Whether the value is of this type, by its outside. Records are told apart in a union by their
 * fields: each is there or has a default, and there are no others.
 */
function fits(schema: AvroSchema, value: Datum): boolean {
  switch (schema.kind) {
    case 'null':
      return value === null
    case 'boolean':
      return typeof value === 'boolean'
    case 'int':
      return typeof value === 'number' && (value | 0) === value
    case 'long':
      return fitsLong(schema, value)
    case 'float':
    case 'double':
      return typeof value === 'number'
    case 'bytes':
      return value instanceof Uint8Array
    case 'string':
      return typeof value === 'string'
    case 'fixed':
      return value instanceof Uint8Array && value.length === schema.sizeBytes
    case 'enum':
      return typeof value === 'string' && schema.symbols.includes(value)
    case 'array':
      return Array.isArray(value)
    case 'map':
      return isPlainObject(value)
    case 'record':
      return isPlainObject(value) && hasFields(schema, value)
    case 'union':
      return schema.branches.some((branch) => fits(branch, value))
    default:
      return assertNever(schema)
  }
}

function hasFields(schema: RecordSchema, value: object): boolean {
  const isComplete = schema.fields.every(
    ({ name, defaultValue }) => defaultValue !== undefined || Object.hasOwn(value, name),
  )
  return (
    isComplete && Object.keys(value).every((key) => schema.fields.some(({ name }) => name === key))
  )
}

function fitsLong(schema: AvroSchema, value: Datum): boolean {
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value
  if (value instanceof Date) {
    return timestampOf(schema) !== undefined && !Number.isNaN(value.getTime())
  }
  return typeof value === 'number' && Number.isSafeInteger(value)
}

function longOf(schema: AvroSchema, value: Datum): bigint {
  if (!(value instanceof Date)) return BigInt(value as bigint | number)
  const milliseconds = BigInt(value.getTime())
  return timestampOf(schema) === 'timestamp-micros' ? milliseconds * 1_000n : milliseconds
}

function isPlainObject(value: Datum): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array)
  )
}

function expectation(schema: AvroSchema): string {
  switch (schema.kind) {
    case 'record':
      return `record ${schema.name.fullName} with the fields ${schema.fields.map(({ name }) => name).join(', ')}`
    case 'enum':
      return `one of ${schema.symbols.join(', ')}`
    case 'fixed':
      return `Uint8Array of ${schema.sizeBytes} bytes`
    case 'long':
      return timestampOf(schema) ?? 'long'
    case 'null':
    case 'boolean':
    case 'int':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
    case 'array':
    case 'map':
    case 'union':
      return schema.kind
    default:
      return assertNever(schema)
  }
}

/** Types only: a value may be a person's data, and error messages end up in logs. */
function show(value: Datum): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Date) return 'a Date'
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value === 'object')
    return `an object with the members ${Object.keys(value).join(', ')}`
  return value === undefined ? 'a missing value' : `a ${typeof value}`
}
