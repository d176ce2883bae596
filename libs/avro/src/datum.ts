import { DecodeError } from '@fairlead/base'
import { isValidDefault } from './default-value.ts'
import type { JsonValue } from './json/json-value.ts'
import { isJsNumber, logicalAttributes } from './logical-type.ts'
import type { AvroSchema } from './schema.ts'

/**
 * Avro values in JavaScript: long is bigint; bytes and fixed are Uint8Array; enum is a string; record
 * and map are objects; a union is the value of its branch; timestamps are Date. A long with `"js": "number"` is a number.
 */
export type Datum = unknown

type Timestamp = 'timestamp-millis' | 'timestamp-micros'

/** The timestamp that a long stands for, if any. */
export function timestampOf(schema: AvroSchema): Timestamp | undefined {
  if (schema.kind !== 'long' || logicalAttributes(schema).length === 0) return undefined
  const annotation = schema.properties.get('logicalType')
  const name = annotation?.kind === 'string' ? annotation.value : ''
  return name === 'timestamp-millis' || name === 'timestamp-micros' ? name : undefined
}

/** The value of a long: a Date when it is a timestamp. */
export function longDatum(schema: AvroSchema): ((value: bigint) => Datum) | undefined {
  if (isJsNumber(schema)) return safeNumber
  switch (timestampOf(schema)) {
    case 'timestamp-millis':
      return (value) => dateOf(Number(value))
    case 'timestamp-micros':
      return (value) => dateOf(millisOf(value))
    case undefined:
      return undefined
  }
}

/** Of a Date, to either side of 1970. */
const DATE_MILLIS_MAX = 8.64e15

/** @throws {DecodeError} for a time that no Date has, such as an `infinity` of Postgres in a long. */
function dateOf(millis: number): Date {
  if (Math.abs(millis) > DATE_MILLIS_MAX) {
    throw new DecodeError('a timestamp is beyond the years that a Date has', 0)
  }
  // A conversion, not a clock: the same number gives the same value.
  // oxlint-disable-next-line no-restricted-globals
  return new Date(millis)
}

/** @throws {DecodeError} */
function safeNumber(value: bigint): number {
  const number = Number(value)
  if (Number.isSafeInteger(number)) return number
  throw new DecodeError('a long with "js": "number" is beyond 2^53 - 1', 0)
}

/** Rounded down, before 1970 as well; a double could not hold the microseconds. */
function millisOf(micros: bigint): number {
  return Number(micros / 1_000n) - (micros % 1_000n < 0n ? 1 : 0)
}

export function setMember(target: Record<string, Datum>, name: string, value: Datum): void {
  if (name === '__proto__') {
    Object.defineProperty(target, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  } else {
    target[name] = value
  }
}

/** A new value for the default of a field. It may not fit: older registries took in any default. */
export function defaultDatum(schema: AvroSchema, json: JsonValue): Datum {
  switch (json.kind) {
    case 'null':
      return null
    case 'boolean':
      return json.value
    case 'integer':
    case 'decimal':
      return numberDefault(branchOf(schema, json), json.value)
    case 'string':
      return textDefault(branchOf(schema, json), json.value)
    case 'array': {
      const branch = branchOf(schema, json)
      return json.items.map((item) =>
        branch?.kind === 'array' ? defaultDatum(branch.items, item) : null,
      )
    }
    case 'object':
      return objectDefault(branchOf(schema, json), json.members)
  }
}

function numberDefault(schema: AvroSchema | undefined, value: number | bigint): Datum {
  if (schema?.kind === 'float') return Math.fround(Number(value))
  if (schema?.kind !== 'long' || !Number.isInteger(Number(value))) return Number(value)
  const long = BigInt(value)
  return longDatum(schema)?.(long) ?? long
}

/** Bytes are written as text whose characters are the bytes. */
function textDefault(schema: AvroSchema | undefined, text: string): Datum {
  if (schema?.kind !== 'bytes' && schema?.kind !== 'fixed') return text
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

function objectDefault(
  schema: AvroSchema | undefined,
  members: ReadonlyMap<string, JsonValue>,
): Datum {
  const value: Record<string, Datum> = {}
  if (schema?.kind === 'map') {
    for (const [name, member] of members) {
      setMember(value, name, defaultDatum(schema.values, member))
    }
  }
  if (schema?.kind === 'record') {
    for (const field of schema.fields) {
      const member = members.get(field.name) ?? field.defaultValue
      if (member !== undefined) setMember(value, field.name, defaultDatum(field.type, member))
    }
  }
  return value
}

function branchOf(schema: AvroSchema, json: JsonValue): AvroSchema | undefined {
  if (schema.kind !== 'union') return schema
  return schema.branches.find((branch) => isValidDefault(branch, json))
}
