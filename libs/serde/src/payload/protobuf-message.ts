import protobuf from 'protobufjs'
import { EncodeError } from '../datum/datum-encoder.ts'

const DEPTH_MAX = 100
const INT32_MIN = -(2 ** 31)
const UINT32_MAX = 2 ** 32 - 1

/**
 * A message from Protobuf's JSON mapping (fields by their name or its lowerCamelCase, 64-bit integers
 * and bytes as text, too, enums by name or number). A field that the type has not is a fault, and so
 * is every value out of its type.
 *
 * @throws {EncodeError}
 */
export function protobufMessage(
  type: protobuf.Type,
  value: unknown,
  path: string,
  depth = 0,
): protobuf.Message {
  if (depth > DEPTH_MAX) throw new EncodeError(`nests deeper than ${DEPTH_MAX}`, path)
  const special = SPECIAL[type.fullName]
  if (special !== undefined && typeof value === 'string') return type.create(special(value, path))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new EncodeError(`it is no ${type.name} (an object)`, path)
  }
  const properties: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value)) {
    const field = fieldOf(type, name)
    if (field === undefined) throw new EncodeError(`${type.name} has no field "${name}"`, path)
    if (member === null) continue
    properties[field.name] = fieldValue(field, member, `${path}.${name}`, depth)
  }
  return type.create(properties)
}

function fieldOf(type: protobuf.Type, name: string): protobuf.Field | undefined {
  return type.fields[name] ?? type.fieldsArray.find((field) => camelCase(field.name) === name)
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

function fieldValue(field: protobuf.Field, value: unknown, path: string, depth: number): unknown {
  field.resolve()
  if (field instanceof protobuf.MapField) {
    if (typeof value !== 'object' || Array.isArray(value)) {
      throw new EncodeError('it is no map (an object)', path)
    }
    const entries = Object.entries(value as object).map(([key, member]) => [
      key,
      singleValue(field, member, `${path}.${key}`, depth),
    ])
    return Object.fromEntries(entries) as unknown
  }
  if (!field.repeated) return singleValue(field, value, path, depth)
  if (!Array.isArray(value)) throw new EncodeError('it is no array', path)
  return value.map((item, index) => singleValue(field, item, `${path}[${index}]`, depth))
}

function singleValue(field: protobuf.Field, value: unknown, path: string, depth: number): unknown {
  const { resolvedType, type } = field
  if (resolvedType instanceof protobuf.Type) {
    return protobufMessage(resolvedType, value, path, depth + 1)
  }
  if (resolvedType instanceof protobuf.Enum) return enumValue(resolvedType, value, path)
  const scalar = SCALARS[type]?.(value)
  if (scalar === undefined)
    throw new EncodeError(`${JSON.stringify(shown(value))} is no ${type}`, path)
  return scalar
}

function enumValue({ values, name }: protobuf.Enum, value: unknown, path: string): number {
  const number = typeof value === 'string' ? values[value] : value
  if (typeof number === 'number' && Number.isInteger(number)) return number
  throw new EncodeError(`${JSON.stringify(shown(value))} is none of ${name}`, path)
}

/** A message never shows more of a value than its type. */
function shown(value: unknown): unknown {
  return typeof value === 'object'
    ? typeof value
    : typeof value === 'bigint'
      ? String(value)
      : value
}

/** The value by its type; undefined when it is none of it. */
const SCALARS: Readonly<Record<string, (value: unknown) => unknown>> = {
  double: floating,
  float: floating,
  int32: signed32,
  sint32: signed32,
  sfixed32: signed32,
  uint32: unsigned32,
  fixed32: unsigned32,
  int64: (value) => integer64(value, true),
  sint64: (value) => integer64(value, true),
  sfixed64: (value) => integer64(value, true),
  uint64: (value) => integer64(value, false),
  fixed64: (value) => integer64(value, false),
  bool: (value) => (typeof value === 'boolean' ? value : undefined),
  string: (value) => (typeof value === 'string' ? value : undefined),
  bytes: base64Bytes,
}

function floating(value: unknown): number | undefined {
  if (typeof value === 'bigint') return Number(value)
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value)
  return typeof value === 'number' ? value : undefined
}

function whole(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isInteger(number) ? number : undefined
}

function signed32(value: unknown): number | undefined {
  const number = whole(value)
  return number !== undefined && number >= INT32_MIN && number < 2 ** 31 ? number : undefined
}

function unsigned32(value: unknown): number | undefined {
  const number = whole(value)
  return number !== undefined && number >= 0 && number <= UINT32_MAX ? number : undefined
}

/** The halves, as protobufjs takes a number beyond 2^53. */
function integer64(value: unknown, isSigned: boolean): object | undefined {
  const text = typeof value === 'bigint' || Number.isSafeInteger(value) ? String(value) : value
  if (typeof text !== 'string' || !/^-?\d+$/.test(text)) return undefined
  const exact = BigInt(text)
  const isWithin = (isSigned ? BigInt.asIntN(64, exact) : BigInt.asUintN(64, exact)) === exact
  if (!isWithin) return undefined
  const low = Number(BigInt.asIntN(32, exact))
  return { low, high: Number(BigInt.asIntN(32, exact >> 32n)), unsigned: !isSigned }
}

function base64Bytes(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'string' || !/^[\w+/-]*={0,2}$/.test(value)) return undefined
  return Buffer.from(value, 'base64')
}

/** Google's types that are text in JSON. */
const SPECIAL: Readonly<
  Record<string, (text: string, path: string) => Readonly<Record<string, unknown>>>
> = {
  '.google.protobuf.Timestamp': (text, path) => {
    const timestampMs = Date.parse(text)
    const [, fraction = ''] = /\.(\d{1,9})/.exec(text) ?? []
    if (Number.isNaN(timestampMs)) throw new EncodeError('it is no RFC 3339 timestamp', path)
    const seconds = Math.floor(timestampMs / 1000)
    return { seconds, nanos: Number(fraction.padEnd(9, '0')) }
  },
  '.google.protobuf.Duration': (text, path) => {
    const [, sign = '', whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d{1,9}))?s$/.exec(text) ?? []
    if (whole === undefined) throw new EncodeError('it is no duration, such as "1.5s"', path)
    const factor = sign === '-' ? -1 : 1
    return { seconds: factor * Number(whole), nanos: factor * Number(fraction.padEnd(9, '0')) }
  },
}
