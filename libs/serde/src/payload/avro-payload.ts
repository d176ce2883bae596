import { type AvroSchema, type Datum, SchemaError, fits, parseSchema } from '@fairlead/avro'
import { DecodeError, errorMessage } from '@fairlead/base'
import { DatumEncoder, EncodeError } from '../datum/datum-encoder.ts'
import { RegistryError } from '../registry-error.ts'
import { withWirePrefix } from '../wire-format.ts'
import type { LoadedSchema, PayloadEncoder } from './payload-encoder.ts'
import { parsePreciseJson } from './precise-json.ts'

const BYTE_MAX = 0xff
const DEPTH_MAX = 500
const BYTES: ReadonlySet<AvroSchema['kind']> = new Set(['bytes', 'fixed'])

/**
 * JSON as it is usually written: unions without the name of their branch, bytes as Avro's text.
 *
 * @throws {RegistryError} when the schema cannot be used.
 */
export function avroPayloadEncoder(loaded: LoadedSchema): PayloadEncoder {
  const { schemaId, subject, version, schemaType } = loaded
  const root = rootOf(loaded)
  const encoder = new DatumEncoder(root)
  return {
    schemaId,
    subject,
    version,
    schemaType,
    encode: (json) =>
      withWirePrefix(schemaId, encoder.encode(datumOf(root, parsePreciseJson(json), '', 0))),
  }
}

function rootOf({ schema, subject, version, referenced }: LoadedSchema): AvroSchema {
  try {
    return parseSchema(schema, { mode: 'lenient', references: [...referenced] }).root
  } catch (error) {
    if (!(error instanceof SchemaError) && !(error instanceof DecodeError)) throw error
    throw new RegistryError(
      `version ${version} of subject ${subject} cannot be used: ${errorMessage(error)}`,
      { retryable: false, cause: error },
    )
  }
}

/** Only what JSON has no form for is changed; the encoder checks the rest and names its place. */
function datumOf(schema: AvroSchema, value: unknown, path: string, depth: number): Datum {
  if (depth > DEPTH_MAX) throw new EncodeError(`nests deeper than ${DEPTH_MAX}`, path)
  switch (schema.kind) {
    case 'bytes':
    case 'fixed':
      return typeof value === 'string' ? bytesOf(value, path) : value
    case 'float':
    case 'double':
      return typeof value === 'bigint' || isNotFinite(value) ? Number(value) : value
    case 'array':
      if (!Array.isArray(value)) return value
      return value.map((item: unknown, index) =>
        datumOf(schema.items, item, `${path}[${index}]`, depth + 1),
      )
    case 'map':
      return membersOf(value, (name, member) =>
        datumOf(schema.values, member, `${path}.${name}`, depth + 1),
      )
    case 'record':
      return membersOf(value, (name, member) => {
        const field = schema.fields.find((candidate) => candidate.name === name)
        return field === undefined
          ? member
          : datumOf(field.type, member, `${path}.${name}`, depth + 1)
      })
    case 'union':
      return unionDatum(schema.branches, value, path, depth)
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'string':
    case 'enum':
      return value
  }
}

/** The branch that takes the value as it is, or else the first that does. With none the encoder says what there is. */
function unionDatum(
  branches: readonly AvroSchema[],
  value: unknown,
  path: string,
  depth: number,
): Datum {
  const takesText = branches.some(({ kind }) => kind === 'string' || kind === 'enum')
  const taking = branches.filter(
    // Text is only then bytes when no branch takes text.
    (branch) => !(takesText && BYTES.has(branch.kind)) && takes(branch, value),
  )
  const branch = taking.find((candidate) => takesAsItIs(candidate, value)) ?? taking[0]
  return branch === undefined ? value : datumOf(branch, value, path, depth + 1)
}

/** JSON has no such numbers; Avro in Java, and Protobuf, write them as text. */
function isNotFinite(json: unknown): boolean {
  return json === 'NaN' || json === 'Infinity' || json === '-Infinity'
}

/** Whether JSON may be of this type, by its outside. */
function takes(schema: AvroSchema, json: unknown): boolean {
  switch (schema.kind) {
    case 'bytes':
      return typeof json === 'string'
    case 'fixed':
      return typeof json === 'string' && json.length === schema.sizeBytes
    case 'float':
    case 'double':
      return typeof json === 'number' || typeof json === 'bigint' || isNotFinite(json)
    case 'union':
      return schema.branches.some((branch) => takes(branch, json))
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'string':
    case 'enum':
    case 'array':
    case 'map':
    case 'record':
      return fits(schema, json)
  }
}

/**
 * Of records and maps: with their members, by their outside. No deeper: types that nest within each
 * other would double the work with each level.
 */
function takesAsItIs(schema: AvroSchema, json: unknown): boolean {
  if (schema.kind === 'map') {
    return Object.values(json as object).every((member) => takes(schema.values, member))
  }
  if (schema.kind !== 'record') return fits(schema, json)
  const members = json as Readonly<Record<string, unknown>>
  return schema.fields.every(
    ({ name, type }) => !Object.hasOwn(members, name) || takes(type, members[name]),
  )
}

function membersOf(value: unknown, convert: (name: string, member: unknown) => Datum): Datum {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries = Object.entries(value).map(([name, member]) => [name, convert(name, member)])
  return Object.fromEntries(entries)
}

/** Avro 1.12, "JSON Encoding": each character is a byte. */
function bytesOf(text: string, path: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit > BYTE_MAX) throw new EncodeError('a character above U+00FF is no byte', path)
    bytes[index] = unit
  }
  return bytes
}
