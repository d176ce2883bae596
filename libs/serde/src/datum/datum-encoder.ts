import { assertNever } from '@fairlead/base'
import {
  type AvroSchema,
  type Datum,
  type RecordSchema,
  type UnionSchema,
  branchIndex,
  defaultDatum,
  fits,
  timestampOf,
} from '@fairlead/avro'
import type { Type } from 'avsc'
import { type BranchValue, avscTypeOf } from './avsc-types.ts'
import { expectation, show } from './in-words.ts'
import { Resolution } from './resolution.ts'
import { safeName } from './safe-name.ts'

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
 * Encodes values of one schema. They are checked here, before avsc writes them: its own errors hold
 * the values, and it would take a branch of a union for another one.
 */
export class DatumEncoder {
  readonly #schema: AvroSchema
  readonly #type: Type
  #depth = 0

  constructor(schema: AvroSchema) {
    this.#schema = schema
    this.#type = avscTypeOf(new Resolution().resolve(schema, schema).reader)
  }

  /**
   * A field with a default may be left out; a long may be a safe integer.
   *
   * @throws {EncodeError}
   */
  encode(value: Datum): Uint8Array {
    this.#depth = 0
    return this.#type.toBuffer(this.#forAvsc(this.#schema, value, ''))
  }

  #forAvsc(schema: AvroSchema, value: Datum, path: string): unknown {
    if (this.#depth >= DEPTH_MAX) throw new EncodeError(`nests deeper than ${DEPTH_MAX}`, path)
    this.#depth += 1
    const converted =
      schema.kind === 'union'
        ? this.#union(schema, value, path)
        : this.#checked(schema, value, path)
    this.#depth -= 1
    return converted
  }

  #checked(schema: Exclude<AvroSchema, UnionSchema>, value: Datum, path: string): unknown {
    if (!fits(schema, value)) {
      throw new EncodeError(`${show(value)} is no ${expectation(schema)}`, path)
    }
    switch (schema.kind) {
      case 'null':
      case 'boolean':
      case 'int':
      case 'float':
      case 'double':
        return value
      case 'long':
        return longOf(schema, value)
      case 'string':
        return wellFormed(value as string)
      case 'enum':
        return safeName(value as string)
      case 'bytes':
      case 'fixed':
        return bufferOf(value as Uint8Array)
      case 'array':
        return (value as readonly Datum[]).map((item, index) =>
          this.#forAvsc(schema.items, item, `${path}[${index}]`),
        )
      case 'map':
        return Object.entries(value as object).map(([name, member]) => ({
          key: wellFormed(name),
          value: this.#forAvsc(schema.values, member, `${path}.${name}`),
        }))
      case 'record':
        return this.#record(schema, value as Readonly<Record<string, Datum>>, path)
      default:
        return assertNever(schema)
    }
  }

  #record(schema: RecordSchema, value: Readonly<Record<string, Datum>>, path: string): object {
    const record: Record<string, unknown> = {}
    for (const { name, type, defaultValue } of schema.fields) {
      const given = Object.hasOwn(value, name) ? value[name] : undefined
      const member =
        given === undefined && defaultValue !== undefined ? defaultDatum(type, defaultValue) : given
      record[safeName(name)] = this.#forAvsc(type, member, `${path}.${name}`)
    }
    return record
  }

  #union(schema: UnionSchema, value: Datum, path: string): unknown {
    const index = branchIndex(schema, value)
    const branch = schema.branches[index]
    if (branch === undefined) {
      const kinds = schema.branches.map(expectation).join(', ')
      throw new EncodeError(`${show(value)} fits no branch of the union (${kinds})`, path)
    }
    if (branch.kind === 'null') return null
    return { index, value: this.#forAvsc(branch, value, path) } satisfies BranchValue
  }
}

function longOf(schema: AvroSchema, value: Datum): bigint {
  if (!(value instanceof Date)) return BigInt(value as bigint | number)
  const milliseconds = BigInt(value.getTime())
  return timestampOf(schema) === 'timestamp-micros' ? milliseconds * 1_000n : milliseconds
}

/** A half of a surrogate pair has no UTF-8; avsc would write bytes that no one reads back. */
function wellFormed(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed()
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
