import { DecodeError } from '@fairlead/base'
import { RegistryError } from './registry-error.ts'
import type { RecordPart } from './subject-name.ts'

const MAGIC = 0
/** Before a GUID, in a header or a prefix. */
const GUID_MAGIC = 1
const GUID_BYTES = 16
const GUID_PREFIX_BYTES = 1 + GUID_BYTES
/** Magic byte and schema id. */
export const WIRE_PREFIX_BYTES = 5

/** Confluent's wire format: byte 0, schema id as int32, payload. */
export function withWirePrefix(schemaId: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(WIRE_PREFIX_BYTES + payload.length)
  bytes[0] = MAGIC
  new DataView(bytes.buffer).setInt32(1, schemaId)
  bytes.set(payload, WIRE_PREFIX_BYTES)
  return bytes
}

/** A schema by its id in one registry, or by its GUID, which is the same in all of them. */
export type SchemaName = number | string

/** Headers of a record, as it has them: the same name may come more than once. */
export type RecordHeaders = readonly (readonly [name: string, value: Uint8Array | null])[]

/** The header that holds what otherwise is before the value of a record (Confluent 8). */
export const VALUE_SCHEMA_ID_HEADER = '__value_schema_id'

const SCHEMA_ID_HEADERS: Readonly<Record<RecordPart, string>> = {
  key: '__key_schema_id',
  value: VALUE_SCHEMA_ID_HEADER,
}

/**
 * The header that names a schema: byte 1 and the 16 bytes of its GUID. The value follows bare.
 *
 * @throws {RegistryError} for text that is no GUID.
 */
export function schemaIdHeader(
  part: RecordPart,
  guid: string,
): readonly [name: string, value: Uint8Array<ArrayBuffer>] {
  const digits = guid.replaceAll('-', '')
  if (!/^[0-9a-fA-F]{32}$/.test(digits)) {
    throw new RegistryError(`"${guid}" is no GUID`, { retryable: false })
  }
  const bytes = Uint8Array.from({ length: GUID_BYTES }, (_, index) =>
    Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16),
  )
  return [SCHEMA_ID_HEADERS[part], Uint8Array.of(GUID_MAGIC, ...bytes)]
}

/** The headers without the one that names a schema: the payload has another one before it. */
export function withoutSchemaId(headers: RecordHeaders, part: RecordPart = 'value'): RecordHeaders {
  return headers.filter(([name]) => name !== SCHEMA_ID_HEADERS[part])
}

/**
 * The schema id of a payload that starts at {@link WIRE_PREFIX_BYTES}.
 *
 * @throws {DecodeError} when the bytes do not start with the prefix.
 */
export function schemaIdOf(bytes: Uint8Array): number {
  if (bytes.length < WIRE_PREFIX_BYTES) {
    throw new DecodeError(`${bytes.length} bytes are too few for a schema id`, bytes.length)
  }
  if (bytes[0] !== MAGIC) throw new DecodeError(`unknown magic byte ${bytes[0]}`, 0)
  return int32At(bytes, 1)
}

/**
 * The schema id of the value from `start` to `end`, when it has it before the payload, as nearly all have;
 * else undefined: {@link writtenWith} reads the other forms, and says what is wrong with the rest.
 */
export function prefixedSchemaId(
  bytes: Uint8Array,
  start: number,
  end: number,
): number | undefined {
  if (end - start < WIRE_PREFIX_BYTES || bytes[start] !== MAGIC) return undefined
  return int32At(bytes, start + 1)
}

/** A view would cost more than the four bytes; all are there. */
function int32At(bytes: Uint8Array, position: number): number {
  return (
    ((bytes[position] as number) << 24) |
    ((bytes[position + 1] as number) << 16) |
    ((bytes[position + 2] as number) << 8) |
    (bytes[position + 3] as number)
  )
}

/**
 * The schema of a key or value, and where its payload starts. As Confluent's `Dual` deserializer: the
 * last such header decides where there is one, otherwise the prefix does.
 *
 * @throws {DecodeError} when neither names a schema.
 */
export function writtenWith(
  bytes: Uint8Array,
  headers: RecordHeaders = [],
  part: RecordPart = 'value',
): { readonly schema: SchemaName; readonly payloadOffset: number } {
  const named = headers.findLast(([header]) => header === SCHEMA_ID_HEADERS[part])?.[1]
  if (named !== undefined && named !== null) return { schema: nameIn(named), payloadOffset: 0 }
  const payloadOffset = bytes[0] === GUID_MAGIC ? GUID_PREFIX_BYTES : WIRE_PREFIX_BYTES
  return { schema: nameIn(bytes), payloadOffset }
}

function nameIn(bytes: Uint8Array): SchemaName {
  if (bytes[0] !== GUID_MAGIC) return schemaIdOf(bytes)
  if (bytes.length >= GUID_PREFIX_BYTES) return guidOf(bytes.subarray(1, GUID_PREFIX_BYTES))
  throw new DecodeError(`${bytes.length} bytes are too few for a GUID`, bytes.length)
}

function guidOf(bytes: Uint8Array): string {
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
