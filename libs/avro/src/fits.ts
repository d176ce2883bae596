import { assertNever } from '@fairlead/base'
import { type Datum, timestampOf } from './datum.ts'
import { isJsNumber } from './logical-type.ts'
import type { AvroSchema, RecordSchema, UnionSchema } from './schema.ts'

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
function fitsInside(
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

/** Whether each field is there or has a default, and there are no others. */
export function hasFields(schema: RecordSchema, value: object): boolean {
  const isComplete = schema.fields.every(
    ({ name, defaultValue }) => defaultValue !== undefined || Object.hasOwn(value, name),
  )
  if (!isComplete) return false
  const names = namesOf(schema)
  return Object.keys(value).every((name) => names.has(name))
}

const fieldNames = new WeakMap<RecordSchema, ReadonlySet<string>>()

/** Once for all values: a record may have thousands of fields. */
function namesOf(schema: RecordSchema): ReadonlySet<string> {
  const known = fieldNames.get(schema)
  if (known !== undefined) return known
  const names = new Set(schema.fields.map(({ name }) => name))
  fieldNames.set(schema, names)
  return names
}

function fitsLong(schema: AvroSchema, value: Datum): boolean {
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value
  if (isDate(value)) {
    return timestampOf(schema) !== undefined && !Number.isNaN(value.getTime())
  }
  return typeof value === 'number' && Number.isSafeInteger(value)
}

function isDate(value: Datum): value is Date {
  // A type, not a clock.
  // oxlint-disable-next-line no-restricted-globals
  return value instanceof Date
}

function isPlainObject(value: Datum): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !isDate(value) &&
    !(value instanceof Uint8Array) &&
    // It has no members of its own: it would be written as a map without entries.
    !(value instanceof Map) &&
    !(value instanceof Set)
  )
}

/** The first branch that gives the value back as it is, or else the first one that fits. */
export function branchIndex({ branches }: UnionSchema, value: Datum): number {
  const first = branches.findIndex((branch) => fits(branch, value))
  const kind = branches[first]?.kind
  if (kind === 'record' || kind === 'map') {
    const isAlone = !branches.some((branch, index) => index > first && fits(branch, value))
    return isAlone ? first : closestIndex(branches, value, first)
  }
  const exact = branches.findIndex((branch) => fitsAsItIs(branch, value))
  return exact >= 0 ? exact : first
}

/** Of records and maps: one that keeps its members before one that they only fit. */
function closestIndex(branches: readonly AvroSchema[], value: Datum, first: number): number {
  const exact = branches.findIndex((branch) => fitsInside(branch, value, fitsAsItIs))
  if (exact >= 0) return exact
  const closest = branches.findIndex((branch) => fitsInside(branch, value, fits))
  return closest >= 0 ? closest : first
}

function fitsAsItIs(schema: AvroSchema, value: Datum): boolean {
  return fits(schema, value) && isKept(schema, value)
}

/** A number comes back from most longs as a bigint, from a float with fewer digits, and -0 from no integer. */
function isKept(schema: AvroSchema, value: Datum): boolean {
  if (typeof value === 'bigint') return !isJsNumber(schema)
  if (typeof value !== 'number') return true
  if (schema.kind === 'float') return Object.is(Math.fround(value), value)
  if (schema.kind === 'int') return !Object.is(value, -0)
  return schema.kind !== 'long' || (isJsNumber(schema) && !Object.is(value, -0))
}
