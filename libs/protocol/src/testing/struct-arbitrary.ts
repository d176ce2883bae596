import fc from 'fast-check'
import { ZERO_UUID, uuidText } from '../wire/uuid.ts'
import type { Field, Fields, Primitive } from '../schema/field.ts'
import { includesVersion } from '../schema/versions.ts'

type Struct = Readonly<Record<string, unknown>>

const INT32_MAX = 2 ** 31 - 1

/**
 * Values of a struct as they look after a trip through `version`: a field that the version lacks has
 * its default. Derived from the description of the struct alone, so that every message is covered
 * as soon as it is described.
 */
export function structArbitrary(fields: Fields, version: number): fc.Arbitrary<Struct> {
  return fc.record(
    Object.fromEntries(
      Object.entries(fields).map(([name, field]) => [name, fieldArbitrary(field, version)]),
    ),
  )
}

function fieldArbitrary(field: Field, version: number): fc.Arbitrary<unknown> {
  if (!includesVersion(field.versions, version)) return fc.constant(defaultOf(field))
  const value = valueArbitrary(field, version)
  const isNullable = field.nullable !== undefined && includesVersion(field.nullable, version)
  return isNullable ? fc.option(value, { nil: null, freq: 3 }) : value
}

function valueArbitrary(field: Field, version: number): fc.Arbitrary<unknown> {
  if ('type' in field) return PRIMITIVES[field.type]
  if ('struct' in field) return structArbitrary(field.struct, version)
  const element =
    typeof field.array === 'string'
      ? PRIMITIVES[field.array]
      : structArbitrary(field.array, version)
  return fc.array(element, { maxLength: 3 })
}

function defaultOf(field: Field): unknown {
  if (field.default !== undefined) return field.default
  if ('array' in field) return []
  if ('type' in field) return PRIMITIVE_DEFAULTS[field.type]
  return Object.fromEntries(
    Object.entries(field.struct).map(([name, inner]) => [name, defaultOf(inner)]),
  )
}

const PRIMITIVE_DEFAULTS: Readonly<Record<Primitive, unknown>> = {
  bool: false,
  int8: 0,
  int16: 0,
  uint16: 0,
  int32: 0,
  int64: 0,
  float64: 0,
  uuid: ZERO_UUID,
  string: '',
  bytes: new Uint8Array(),
  records: new Uint8Array(),
  errorCode: 'NONE',
}

/** Small ones, empty ones, and some that do not fit the writer's buffer or are passed by reference. */
const BYTES: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom(255, 256, 1024, 1025, 3000).map(filledBytes) },
)

function filledBytes(length: number): Uint8Array {
  return new Uint8Array(length).map((_, index) => index & 0xff)
}

const PRIMITIVES: Readonly<Record<Primitive, fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  int8: fc.integer({ min: -0x80, max: 0x7f }),
  int16: fc.integer({ min: -0x8000, max: 0x7fff }),
  uint16: fc.integer({ min: 0, max: 0xffff }),
  int32: fc.integer({ min: -INT32_MAX - 1, max: INT32_MAX }),
  int64: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(-1, 2 ** 32, -(2 ** 32) - 1)),
  // NaN is another value than itself.
  float64: fc.double({ noNaN: true }),
  uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => uuidText(bytes)),
  string: fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom('\ufeffbegins with a byte order mark, and is not short', 'é'.repeat(300)),
  ),
  bytes: BYTES,
  records: BYTES,
  errorCode: fc.constantFrom('NONE', 'UNKNOWN_SERVER_ERROR', 'NOT_COORDINATOR'),
}
