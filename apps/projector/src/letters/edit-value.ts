import {
  type AvroSchema,
  branchOfObject,
  logicalTypeOf,
  parseSchema,
  recordName,
} from '@fairlead/avro'
import { DecodeError, OperationalError, errorMessage } from '@fairlead/base'
import {
  type AnyEvent,
  type LogRecord,
  type PreparedRecord,
  type Projection,
  REDACTED,
} from '@fairlead/projection'
import { EncodeError, type PayloadEncoders, SUBJECT_NAME_STRATEGIES } from '@fairlead/serde'
import { inTime } from '../in-time.ts'
import { parseIsoTime } from '../iso-time.ts'
import type { RecordReader } from '../log/prepare-records.ts'
import { editedRecord } from '../store/edited-record.ts'
import { LetterOrderError } from '../store/letter-orders.ts'

export type Payloads = Pick<PayloadEncoders, 'load'>

type Edit = {
  readonly projection: Projection
  readonly eventType: string
  readonly json: unknown
  readonly record: LogRecord
  readonly reader: RecordReader
}

/** Clients wait for 30 s: an edit whose schema comes later must not be made when they have given it up. */
export const SCHEMAS_TIMEOUT_MS = 20_000

/**
 * The bytes of a value that somebody wrote as JSON, with the latest schema of its event type, once the
 * projection can read them.
 *
 * @throws {LetterOrderError} EDIT_REFUSED when the value breaks the schema, with the place in it, or is of another key.
 * {@link OperationalError} when the registry does not give the schemas in time.
 */
export function encodeEdit(payloads: Payloads, edit: Edit): Promise<Uint8Array> {
  return inTime(() => encode(payloads, edit), {
    timeoutMs: SCHEMAS_TIMEOUT_MS,
    what: 'a look at the schemas in the registry',
  })
}

async function encode(payloads: Payloads, edit: Edit): Promise<Uint8Array> {
  const { projection, eventType, json, record, reader } = edit
  const { topic } = record
  const source = projection.sources.find((candidate) => candidate.topic === topic)
  const definition = source?.definitions[eventType]
  if (definition === undefined) {
    throw new LetterOrderError('EDIT_REFUSED', `${projection.name} knows no event ${eventType}`)
  }
  const { topicRecordName } = SUBJECT_NAME_STRATEGIES
  const subject = topicRecordName(topic, 'value', recordName(definition))
  refuseRedacted(json)
  const encoder = await payloads.load(subject)
  const { root } = parseSchema(JSON.stringify(definition), { mode: 'lenient' })
  const value = refused(() => encoder.encode(jsonText(timestamps(root, json))))
  const [prepared] = await reader.prepare([editedRecord(record, value)])
  if (prepared?.content.kind === 'event') {
    const [original] = await reader.prepare([record])
    refuseOtherKey(source?.keyField, { record, edited: prepared.content.event, original })
    return value
  }
  const reason = prepared?.content.kind === 'undecodable' ? prepared.content.error : 'ignored'
  throw new LetterOrderError('EDIT_REFUSED', `the value cannot be read: ${errorMessage(reason)}`)
}

/**
 * It is applied in the order of its letter's key, which is none of the other's. Of a record that has another key
 * than its value says, or none, nothing is known.
 */
function refuseOtherKey(
  keyField: string | undefined,
  of: {
    readonly record: LogRecord
    readonly edited: AnyEvent
    readonly original: PreparedRecord | undefined
  },
): void {
  const { record, edited, original } = of
  const recordKey = record.key === null ? null : Buffer.from(record.key).toString()
  if (keyField === undefined || recordKey !== edited.key) return
  const hasOther = ({ data, key }: AnyEvent): boolean => keyIn(keyField, data) !== key
  if (original?.content.kind === 'event' && hasOther(original.content.event)) return
  if (!hasOther(edited)) return
  throw new LetterOrderError(
    'EDIT_REFUSED',
    `the value has the key "${keyIn(keyField, edited.data)}" in ${keyField}, and its letter is of "${edited.key}": leave it as it is, or discard the letter and publish another event`,
  )
}

function keyIn(keyField: string, data: unknown): string {
  return String((data as Readonly<Record<string, unknown>>)[keyField])
}

/** What was shown without its personal data would be applied without it. */
function refuseRedacted(json: unknown): void {
  if (!JSON.stringify(json).includes(JSON.stringify(REDACTED))) return
  throw new LetterOrderError(
    'EDIT_REFUSED',
    `the value has ${REDACTED} in it: take the letter with reveal=true (--reveal), and edit that`,
  )
}

function refused<T>(encodeValue: () => T): T {
  try {
    return encodeValue()
  } catch (error) {
    const isOfValue = error instanceof EncodeError || error instanceof DecodeError
    if (!isOfValue && error instanceof OperationalError) throw error
    throw new LetterOrderError(
      'EDIT_REFUSED',
      `the value breaks the schema: ${errorMessage(error)}`,
    )
  }
}

const LONG = /^-?\d{1,19}$/
/** As a double has it, to which it is rounded. */
const LONG_MAX = 2 ** 63
const MICROS_PER_MILLI = 1_000n

/** Longs as text, and times as people write them, as the longs of Avro. */
function timestamps(schema: AvroSchema, json: unknown): unknown {
  switch (schema.kind) {
    case 'union':
      return ofUnion(schema.branches, json)
    case 'long': {
      const logicalType = logicalTypeOf(schema)
      if (logicalType === 'timestamp-millis') return timeOf(json, 1n)
      if (logicalType === 'timestamp-micros') return timeOf(json, MICROS_PER_MILLI)
      if (typeof json === 'number') return safeLong(json)
      return typeof json === 'string' && LONG.test(json) ? BigInt(json) : json
    }
    case 'array':
      return Array.isArray(json) ? json.map((item) => timestamps(schema.items, item)) : json
    case 'map':
      return mapMembers(json, (_name, member) => timestamps(schema.values, member))
    case 'record':
      return mapMembers(json, (name, member) => {
        const field = schema.fields.find((each) => each.name === name)
        return field === undefined ? member : timestamps(field.type, member)
      })
    case 'null':
    case 'boolean':
    case 'int':
    case 'float':
    case 'double':
    case 'bytes':
    case 'string':
    case 'enum':
    case 'fixed':
      return json
  }
}

/** Whoever wrote it may have written other digits: JSON was read with what a double has. */
function safeLong(json: number): number {
  if (!Number.isInteger(json) || Number.isSafeInteger(json)) return json
  throw new LetterOrderError(
    'EDIT_REFUSED',
    `${json} is beyond 2^53, where numbers of JSON are rounded: write the long as a string, such as "9007199254740993"`,
  )
}

/** Text stays text, and a number a number, where a branch takes it. */
function ofUnion(branches: readonly AvroSchema[], json: unknown): unknown {
  const takes = (...kinds: readonly AvroSchema['kind'][]) =>
    branches.some(({ kind }) => kinds.includes(kind))
  if (typeof json === 'string' && takes('string')) return json
  if (typeof json === 'number' && takes('float', 'double')) {
    return takes('long') && Math.abs(json) <= LONG_MAX ? safeLong(json) : json
  }
  if (isObject(json)) {
    const branch = branchOfObject(branches, json)
    return branch === undefined ? json : timestamps(branch, json)
  }
  for (const branch of branches) {
    const changed = timestamps(branch, json)
    if (changed !== json) return changed
  }
  return json
}

function timeOf(json: unknown, unitsPerMilli: bigint): unknown {
  if (typeof json === 'number') return safeLong(json)
  if (typeof json !== 'string') return json
  if (LONG.test(json)) return BigInt(json)
  const timeMs = parseIsoTime(json)
  return timeMs === undefined ? json : BigInt(timeMs) * unitsPerMilli
}

function mapMembers(json: unknown, change: (name: string, member: unknown) => unknown): unknown {
  if (!isObject(json)) return json
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [name, change(name, value)]),
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Of the runtime (ES2026, "JSON.rawJSON"); the compiler's library does not have it yet. */
const { rawJSON } = JSON as JSON & { readonly rawJSON: (text: string) => unknown }

/** JSON in which a bigint is a number with all its digits. */
function jsonText(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'bigint' ? rawJSON(String(member)) : member,
  )
}
