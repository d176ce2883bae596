import { assertNever } from '@fairlead/base'
import { type AvroSchema, type Datum, type RecordSchema, timestampOf } from '@fairlead/avro'

/**
 * Whether the value is of this type, by its outside. Records are told apart in a union by their
 * fields: each is there or has a default, and there are no others.
 */
export function fits(schema: AvroSchema, value: Datum): boolean {
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
      // Beyond the floats it would be written as an infinity.
      return (
        typeof value === 'number' &&
        (Number.isFinite(Math.fround(value)) || !Number.isFinite(value))
      )
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

/**
 * As {@link fits}, and `fitsMember` is true of its members: of two records with the same fields, or a record
 * and a map, that tells which one it is. No deeper: types that nest within each other would double
 * the work with each level.
 */
export function fitsInside(
  schema: AvroSchema,
  value: Datum,
  fitsMember: (schema: AvroSchema, member: Datum) => boolean,
): boolean {
  if (!fits(schema, value)) return false
  if (schema.kind === 'map') {
    return Object.values(value as object).every((member) => fitsMember(schema.values, member))
  }
  if (schema.kind !== 'record') return true
  const members = value as Readonly<Record<string, Datum>>
  return schema.fields.every(({ name, type }) => {
    const member = Object.hasOwn(members, name) ? members[name] : undefined
    return member === undefined || fitsMember(type, member)
  })
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

function isPlainObject(value: Datum): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array) &&
    // It has no members of its own: it would be written as a map without entries.
    !(value instanceof Map) &&
    !(value instanceof Set)
  )
}

/** What would fit, in words. */
export function expectation(schema: AvroSchema): string {
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

/** The type of a value and no more: it may be a person's data, and errors end up in logs. */
export function show(value: Datum): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Date) return 'a Date'
  if (value instanceof Map || value instanceof Set)
    return `a ${value.constructor.name} of JavaScript`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value === 'object')
    return `an object with the members ${Object.keys(value).join(', ')}`
  return value === undefined ? 'a missing value' : `a ${typeof value}`
}
