import { arrayText } from './array-text.ts'

/**
 * An array as one parameter of a statement: in Postgres' binary form (`array_recv`) as far as all of its values
 * are what `type` holds, else in its text form. The server reads the binary form in a fraction of the
 * time, and writing it makes no strings. What the text form makes of a value, an error included, is
 * what counts: a value of which the binary form would say anything else is left to it.
 *
 * @param type as a column has it, such as `bigint`.
 */
export function arrayParameter(values: readonly unknown[], type: string): Buffer | string {
  const format = FORMATS.get(type)
  return (format === undefined ? undefined : arrayBytes(values, format)) ?? arrayText(values)
}

type ElementFormat = {
  /** OID of the element's type, from `pg_type`; fixed for ever. */
  readonly oid: number
  /** Bytes that the value takes at most; undefined when it is left to the text form. */
  readonly bytesMaxOf: (value: unknown) => number | undefined
  /** Writes a value that `bytesMaxOf` takes, and answers the position behind it, or LEFT_TO_TEXT. */
  readonly write: (target: Target, position: number, value: never) => number
}

type Target = { readonly bytes: Buffer; readonly view: DataView }

/** Dimensions, whether there are nulls, the element's type; length and lower bound of the one dimension. */
const HEADER_BYTES = 20
const EMPTY_HEADER_BYTES = 12
const LENGTH_BYTES = 4
const NULL_LENGTH = -1
const LEFT_TO_TEXT = -1

function arrayBytes(values: readonly unknown[], format: ElementFormat): Buffer | undefined {
  const { oid, bytesMaxOf, write } = format
  let bytesMax = HEADER_BYTES
  for (const value of values) {
    const elementBytesMax = isNull(value) ? 0 : bytesMaxOf(value)
    if (elementBytesMax === undefined) return undefined
    bytesMax += LENGTH_BYTES + elementBytesMax
  }
  const bytes = Buffer.allocUnsafe(bytesMax)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const target = { bytes, view }
  view.setInt32(0, values.length === 0 ? 0 : 1)
  view.setInt32(4, 0)
  view.setInt32(8, oid)
  if (values.length === 0) return bytes.subarray(0, EMPTY_HEADER_BYTES)
  view.setInt32(12, values.length)
  view.setInt32(16, 1)
  let position = HEADER_BYTES
  for (const value of values) {
    const start = position + LENGTH_BYTES
    if (isNull(value)) {
      view.setInt32(4, 1)
      view.setInt32(position, NULL_LENGTH)
      position = start
      continue
    }
    const end = write(target, start, value as never)
    if (end === LEFT_TO_TEXT) return undefined
    view.setInt32(position, end - start)
    position = end
  }
  return bytes.subarray(0, position)
}

function isNull(value: unknown): value is null | undefined {
  return value === null || value === undefined
}

const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)
const INT16_MAX = 2 ** 15 - 1

const BIGINT: ElementFormat = {
  oid: 20,
  bytesMaxOf: (value) =>
    typeof value === 'bigint' && value >= INT64_MIN && value <= INT64_MAX ? 8 : undefined,
  write: ({ view }, position, value: bigint) => {
    view.setBigInt64(position, value)
    return position + 8
  },
}

const INTEGER: ElementFormat = {
  oid: 23,
  bytesMaxOf: (value) => (typeof value === 'number' && (value | 0) === value ? 4 : undefined),
  write: ({ view }, position, value: number) => {
    view.setInt32(position, value)
    return position + 4
  },
}

const XID: ElementFormat = {
  oid: 28,
  bytesMaxOf: (value) => (typeof value === 'number' && value >>> 0 === value ? 4 : undefined),
  write: ({ view }, position, value: number) => {
    view.setUint32(position, value)
    return position + 4
  },
}

const SMALLINT: ElementFormat = {
  oid: 21,
  bytesMaxOf: (value) =>
    Number.isInteger(value) && Math.abs(value as number) <= INT16_MAX ? 2 : undefined,
  write: ({ view }, position, value: number) => {
    view.setInt16(position, value)
    return position + 2
  },
}

const DOUBLE: ElementFormat = {
  oid: 701,
  bytesMaxOf: (value) => (typeof value === 'number' ? 8 : undefined),
  write: ({ view }, position, value: number) => {
    // In the text form there is no -0.
    view.setFloat64(position, value === 0 ? 0 : value)
    return position + 8
  },
}

const BOOLEAN: ElementFormat = {
  oid: 16,
  bytesMaxOf: (value) => (typeof value === 'boolean' ? 1 : undefined),
  write: ({ bytes }, position, value: boolean) => {
    bytes[position] = value ? 1 : 0
    return position + 1
  },
}

const TEXT: ElementFormat = {
  oid: 25,
  bytesMaxOf: utf8BytesMax,
  write: ({ bytes }, position, value: string) => writeText(bytes, position, value),
}

const JSONB_VERSION = 1

const JSONB: ElementFormat = {
  oid: 3802,
  bytesMaxOf: (value) => {
    const bytesMax = utf8BytesMax(value)
    return bytesMax === undefined ? undefined : bytesMax + 1
  },
  write: ({ bytes }, position, value: string) => {
    bytes[position] = JSONB_VERSION
    return writeText(bytes, position + 1, value)
  },
}

const BYTEA: ElementFormat = {
  oid: 17,
  bytesMaxOf: (value) => (value instanceof Uint8Array ? value.length : undefined),
  write: ({ bytes }, position, value: Uint8Array) => {
    bytes.set(value, position)
    return position + value.length
  },
}

const UUID: ElementFormat = {
  oid: 2950,
  bytesMaxOf: (value) =>
    typeof value === 'string' && value.length === UUID_LENGTH ? 16 : undefined,
  write: ({ bytes }, position, value: string) => writeUuid(bytes, position, value),
}

const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1)

const TIMESTAMPTZ: ElementFormat = {
  oid: 1184,
  // Invalid dates, and those that are centuries away, are not safe.
  bytesMaxOf: (value) =>
    value instanceof Date && Number.isSafeInteger(microsOf(value)) ? 8 : undefined,
  write: ({ view }, position, value: Date) => {
    const micros = microsOf(value)
    const high = Math.floor(micros / 2 ** 32)
    view.setInt32(position, high)
    view.setUint32(position + 4, micros - high * 2 ** 32)
    return position + 8
  },
}

function microsOf(date: Date): number {
  return (date.getTime() - POSTGRES_EPOCH_MS) * 1_000
}

const UTF8_BYTES_PER_UNIT_MAX = 3

function utf8BytesMax(value: unknown): number | undefined {
  return typeof value === 'string' ? value.length * UTF8_BYTES_PER_UNIT_MAX : undefined
}

/** Up to here, a call out of JavaScript takes longer than the characters do. */
const SHORT_TEXT_LENGTH = 64

function writeText(bytes: Buffer, position: number, text: string): number {
  const { length } = text
  if (length > SHORT_TEXT_LENGTH) return position + bytes.write(text, position)
  for (let index = 0; index < length; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit >= 0x80) return position + bytes.write(text, position)
    bytes[position + index] = unit
  }
  return position + length
}

const UUID_LENGTH = 36
/** Where the groups of eight, four, four, four and twelve digits begin; hyphens are between them. */
const UUID_GROUPS = [0, 9, 14, 19, 24, UUID_LENGTH + 1] as const
const HYPHEN = 0x2d
const ASCII_MAX = 0x7f
/** Value of a hexadecimal digit by its character code; -1 for what is none. */
const DIGITS = Int8Array.from({ length: ASCII_MAX + 1 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16)
  return Number.isNaN(value) ? -1 : value
})

/** The server reads uuids of other forms, too: from text. */
function writeUuid(bytes: Buffer, position: number, text: string): number {
  let next = position
  // Negative once a digit is none, and beyond ASCII once a character is.
  let digits = 0
  let codes = 0
  for (let group = 0; group < UUID_GROUPS.length - 1; group += 1) {
    const end = (UUID_GROUPS[group + 1] as number) - 1
    for (let index = UUID_GROUPS[group] as number; index < end; index += 2) {
      const high = text.charCodeAt(index)
      const low = text.charCodeAt(index + 1)
      const byte = ((DIGITS[high] as number) << 4) | (DIGITS[low] as number)
      codes |= high | low
      digits |= byte
      bytes[next] = byte
      next += 1
    }
    if (end < UUID_LENGTH && text.charCodeAt(end) !== HYPHEN) return LEFT_TO_TEXT
  }
  return digits < 0 || codes > ASCII_MAX ? LEFT_TO_TEXT : next
}

/** Of the types that a column may have, those with a binary form that is simple; and of `xmin`. */
const FORMATS: ReadonlyMap<string, ElementFormat> = new Map([
  ['bigint', BIGINT],
  ['integer', INTEGER],
  ['smallint', SMALLINT],
  ['double precision', DOUBLE],
  ['boolean', BOOLEAN],
  ['text', TEXT],
  ['jsonb', JSONB],
  ['bytea', BYTEA],
  ['uuid', UUID],
  ['timestamptz', TIMESTAMPTZ],
  ['xid', XID],
])
