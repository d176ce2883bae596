import { DecodeError } from '@fairlead/base'
import { ByteArena } from './byte-arena.ts'
import type { Converted } from './connect/converter.ts'
import { type EventPosition, formatPosition } from './event-position.ts'
import { type EventHeader, HeaderWriter } from './outbox-headers.ts'
import { type OutboxColumns, outboxColumns } from './outbox-columns.ts'
import { MESSAGE_FIELDS, MESSAGE_SCHEMA } from './outbox-message.ts'
import type { OutboxRouterOptions } from './outbox-options.ts'
import { type OutboxRecord, OutboxRecords } from './outbox-record.ts'
import type { Relation } from './pgoutput-message.ts'
import { TYPE_OIDS, parseBytea, parseTimestampMs } from './postgres-text.ts'
import { topicNameFault } from './topic-name.ts'
import type { RowChange } from './transaction-assembler.ts'
import type { ColumnValue, Tuple } from './tuple.ts'

/** What becomes of a row. */
export type RouteOutcome =
  | RoutedEvent
  | UnroutableEvent
  /** Not an event: another table, or a delete of an outbox row. */
  | { readonly kind: 'ignored'; readonly reason: 'OTHER_TABLE' | 'NOT_AN_INSERT' }
  | InvalidOperation

/** An outbox row was updated: events do not change (`table.op.invalid.behavior`). */
export type InvalidOperation = {
  readonly kind: 'invalid-operation'
  readonly behavior: 'warn' | 'error' | 'fatal'
  readonly reason: string
}

/** A record to publish. It owns its bytes: nothing in it is a view of the message. */
export type RoutedEvent = EventIdentity & {
  readonly kind: 'routed'
  readonly topic: string
  /** Null where the configuration allows it. */
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly EventHeader[]
  readonly timestampMs: number
  /** Where the row names its partition; all others follow from the key. */
  readonly partition?: number
  /** Gives the partition of a record without a key. */
  readonly partitionKey?: Uint8Array
  /** What the schema registry has to do before the record is whole. */
  readonly encoding?: RegistryEncoding
}

/**
 * Key and value lack what only a registry knows. The subject of an Avro schema is `<topic>-key` or
 * `<topic>-value`.
 */
export type RegistryEncoding = {
  /** The key is Avro, and the id of this schema goes before it. */
  readonly keySchema?: string
  readonly valueSchema?: string
  /** The value is JSON, to be encoded by the latest schema of this subject. */
  readonly documentSubject?: string
}

export function registryEncoding(
  key: Converted | undefined,
  value: Converted | undefined,
): RegistryEncoding | undefined {
  const [keySchema, valueSchema] = [key?.avroSchema, value?.avroSchema]
  if (keySchema === undefined && valueSchema === undefined) return undefined
  return {
    ...(keySchema !== undefined && { keySchema }),
    ...(valueSchema !== undefined && { valueSchema }),
  }
}

export type UnroutableEvent = EventIdentity & {
  readonly kind: 'unroutable'
  readonly code: UnroutableCode
  readonly reason: string
  readonly value: Uint8Array | null
}

export type UnroutableCode =
  | 'INVALID_TOPIC'
  | 'INVALID_KEY'
  | 'INVALID_HEADERS'
  | 'INVALID_PAYLOAD'
  | 'INVALID_PARTITION'
  /** A value that the type of its column does not have. */
  | 'INVALID_VALUE'
  | 'INVALID_MESSAGE'
  /** The value does not fit the schema of its subject. */
  | 'SCHEMA_MISMATCH'
  /** The registry takes no such schema for the subject. */
  | 'SCHEMA_REFUSED'
  | 'INVALID_TENANT'
  /** Larger than any record may be. */
  | 'ROW_TOO_LARGE'
  /** The table lacked a column that the configuration names when the row was written. */
  | 'MISSING_COLUMN'

/** What names an event to people; null where the row has a null or no such column. */
export type EventIdentity = {
  readonly position: EventPosition
  readonly commitTimestampMs: number
  readonly eventId: string | null
  readonly aggregateType: string | null
  readonly aggregateId: string | null
  readonly type: string | null
  /** The headers column as it is. */
  readonly headersText: string | null
}

/**
 * A database with encoding SQL_ASCII may hold bytes that are no UTF-8. They show up as U+FFFD in
 * names, which no topic name may contain; key and payload are passed on as bytes.
 */
const LENIENT_TEXT = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Turns rows of an outbox table into records: the rules of Debezium's outbox event router.
 * The payload goes through byte by byte, whatever its type; it is only parsed for a converter.
 */
export class OutboxRouter {
  readonly #options: OutboxRouterOptions
  readonly #tables: ReadonlySet<string>
  readonly #wholeRegex: RegExp
  readonly #arena = new ByteArena()
  readonly #allocate = (sizeBytes: number) => this.#arena.allocate(sizeBytes)
  readonly #headers: HeaderWriter
  readonly #repeated = new RepeatedTexts()
  readonly #topics = new Map<string, TopicOutcome>()
  /** Of outbox tables; Postgres sends a new Relation object whenever a definition changed. */
  readonly #columns = new WeakMap<Relation, OutboxColumns>()
  readonly #records = new WeakMap<Relation, OutboxRecords>()
  /** Of messages that are written as events of an outbox. */
  #messages: OutboxRouter | undefined
  /** Key and payload as they are, and no column anywhere else: the short way. */
  readonly #isPlain: boolean

  constructor(options: OutboxRouterOptions) {
    this.#options = options
    this.#tables = new Set(options.tables)
    this.#wholeRegex = new RegExp(`^(?:${options.topicRegex.source})$`, 's')
    this.#headers = new HeaderWriter(this.#arena, options)
    this.#isPlain = isPlain(options)
  }

  route(row: RowChange): RouteOutcome {
    const { change } = row
    const { relation } = change
    if (relation.schema === MESSAGE_SCHEMA && this.#options.messagePrefixes.length > 0) {
      this.#messages ??= new OutboxRouter(messageOptions(this.#options))
      return this.#messages.route(row)
    }
    if (!this.#isOutbox(relation)) {
      return { kind: 'ignored', reason: 'OTHER_TABLE' }
    }
    if (change.kind === 'update') return this.#invalidOperation(row)
    if (change.kind !== 'insert') return { kind: 'ignored', reason: 'NOT_AN_INSERT' }
    return this.#routeInsert(row, relation, change.row)
  }

  #invalidOperation({ change: { relation }, position }: RowChange): InvalidOperation {
    const place = `${relation.schema}.${relation.table} at ${formatPosition(position)}`
    const behavior = this.#options.onInvalidOperation
    return { kind: 'invalid-operation', behavior, reason: `a row of ${place} was updated` }
  }

  /** Without a name to be put together for each row. */
  #isOutbox(relation: Relation): boolean {
    if (this.#columns.has(relation)) return true
    return this.#tables.has(`${relation.schema}.${relation.table}`)
  }

  #columnsOf(relation: Relation): OutboxColumns {
    const known = this.#columns.get(relation)
    if (known !== undefined) return known
    const columns = outboxColumns(relation, this.#options.fields, requiredPlacements(this.#options))
    this.#columns.set(relation, columns)
    return columns
  }

  #routeInsert(row: RowChange, relation: Relation, tuple: Tuple): RoutedEvent | UnroutableEvent {
    const columns = this.#columnsOf(relation)
    if (tuple.sizeBytes > this.#options.rowBytesMax) return this.#tooLarge(row, tuple, columns)
    const identity: EventIdentity = {
      position: row.position,
      commitTimestampMs: row.commitTimestampMs,
      eventId: text(tuple, columns.id),
      aggregateType: this.#repeated.textOf('route', valueOf(tuple, columns.route)),
      aggregateId: text(tuple, columns.key),
      type: this.#repeated.textOf('type', valueOf(tuple, columns.type)),
      headersText: this.#repeated.textOf('headers', valueOf(tuple, columns.headers)),
    }
    const payload = this.#payloadOf(tuple, columns)
    const unroutable = (code: UnroutableCode, reason: string): UnroutableEvent => ({
      ...identity,
      kind: 'unroutable',
      code,
      reason,
      value: payload instanceof DecodeError ? null : payload,
    })

    if (columns.missing.length > 0) {
      return unroutable('MISSING_COLUMN', `the table has no column ${columns.missing.join(', ')}`)
    }
    if (payload instanceof DecodeError) return unroutable('INVALID_PAYLOAD', payload.message)
    if (identity.aggregateType === null) {
      return unroutable('INVALID_TOPIC', 'the column that names the topic is null')
    }
    const tenant = text(tuple, columns.tenant)
    if (this.#options.tenant !== undefined && (tenant === null || tenant === '')) {
      return unroutable('INVALID_TENANT', 'the tenant is null or empty')
    }
    const { topic, fault } = this.#topicOf(identity.aggregateType, tenant)
    if (fault !== undefined) return unroutable('INVALID_TOPIC', fault)
    const hasKey = identity.aggregateId !== null && identity.aggregateId !== ''
    if (!hasKey && this.#options.nullKeys === 'error') {
      return unroutable('INVALID_KEY', 'the key is null or empty')
    }
    const record = this.#isPlain
      ? undefined
      : this.#recordsOf(relation).recordOf(tuple, identity.aggregateType, tenant)
    if (record !== undefined && 'fault' in record) return unroutable(record.code, record.fault)
    const headers = this.#headers.headersOf(identity, text(tuple, columns.trace), record?.headers)
    if (headers === undefined) {
      return unroutable('INVALID_HEADERS', 'the headers are not a JSON object')
    }
    const event: RoutedEvent = {
      ...identity,
      kind: 'routed',
      topic,
      key: record === undefined ? this.#own(valueOf(tuple, columns.key)) : record.key.bytes,
      value: record === undefined ? this.#valueOf(payload) : record.value.bytes,
      headers,
      timestampMs: timestampOf(tuple, columns) ?? row.commitTimestampMs,
    }
    if (record === undefined && event.key !== null && this.#options.documentSubject === '') {
      return event
    }
    const encoding = this.#encodingOf(event, record)
    return {
      ...event,
      ...(event.key === null && { partitionKey: this.#arena.text(identity.eventId ?? '') }),
      ...(record?.partition !== undefined && { partition: record.partition }),
      ...(encoding !== undefined && { encoding }),
    }
  }

  #encodingOf(
    { topic, type, value }: RoutedEvent,
    record: OutboxRecord | undefined,
  ): RegistryEncoding | undefined {
    const { documentSubject: subject } = this.#options
    if (subject === '') return registryEncoding(record?.key, record?.value)
    if (value === null) return undefined
    const documentSubject = subject
      .replaceAll('${topic}', () => topic)
      .replaceAll('${type}', () => type ?? '')
    return { documentSubject }
  }

  /** Of a row of hundreds of megabytes nothing is copied but what names it. */
  #tooLarge(row: RowChange, tuple: Tuple, columns: OutboxColumns): UnroutableEvent {
    const { rowBytesMax } = this.#options
    return {
      kind: 'unroutable',
      code: 'ROW_TOO_LARGE',
      reason: `the row takes ${tuple.sizeBytes} bytes, ${rowBytesMax} are allowed`,
      position: row.position,
      commitTimestampMs: row.commitTimestampMs,
      eventId: text(tuple, columns.id),
      aggregateType: text(tuple, columns.route),
      aggregateId: text(tuple, columns.key),
      type: text(tuple, columns.type),
      headersText: null,
      value: null,
    }
  }

  #recordsOf(relation: Relation): OutboxRecords {
    const known = this.#records.get(relation)
    if (known !== undefined) return known
    const records = new OutboxRecords(relation, this.#options, this.#arena)
    this.#records.set(relation, records)
    return records
  }

  #topicOf(routedByValue: string, tenant: string | null): TopicOutcome {
    const key = tenant === null ? routedByValue : `${tenant}\0${routedByValue}`
    const known = this.#topics.get(key)
    if (known !== undefined) return known
    const topic = this.#topicNameOf(routedByValue, tenant)
    const outcome = { topic, fault: topicNameFault(topic) }
    if (this.#topics.size >= TOPICS_MAX) this.#topics.clear()
    this.#topics.set(key, outcome)
    return outcome
  }

  #topicNameOf(routedByValue: string, tenant: string | null): string {
    const { topicReplacement, tenant: routing } = this.#options
    const match = this.#wholeRegex.exec(routedByValue)
    const topic = match === null ? routedByValue : replaceGroups(topicReplacement, match)
    if (routing === undefined) return topic
    return routing.topicReplacement
      .replaceAll('${tenant}', () => tenant ?? '')
      .replaceAll('${topic}', () => topic)
  }

  #valueOf(payload: Uint8Array | null): Uint8Array | null {
    return this.#options.tombstoneOnEmptyPayload && payload?.length === 0 ? null : payload
  }

  #payloadOf(tuple: Tuple, columns: OutboxColumns): Uint8Array | null | DecodeError {
    const value = valueOf(tuple, columns.payload)
    if (!(value instanceof Uint8Array)) return null
    if (columns.payloadTypeOid !== TYPE_OIDS.bytea) return this.#arena.copy(value)
    try {
      return parseBytea(value, this.#allocate)
    } catch (error) {
      if (error instanceof DecodeError) return error
      throw error
    }
  }

  #own(value: ColumnValue | undefined): Uint8Array | null {
    return value instanceof Uint8Array ? this.#arena.copy(value) : null
  }
}

type TopicOutcome = { readonly topic: string; readonly fault: string | undefined }

/** Remembered; with more, as when every event names a topic of its own, they are found anew. */
const TOPICS_MAX = 1_000

/** A message has the fields that `outbox.emit` gives it, and what the service adds. */
function messageOptions(options: OutboxRouterOptions): OutboxRouterOptions {
  const { tenant, schemaVersion, type, headers, trace } = options.fields
  const has = (column: string, field: string): string => (column === '' ? '' : field)
  return {
    ...options,
    tables: options.messagePrefixes.map((prefix) => `${MESSAGE_SCHEMA}.${prefix}`),
    messagePrefixes: [],
    fields: {
      ...MESSAGE_FIELDS,
      type: has(type, MESSAGE_FIELDS.type),
      headers: has(headers, MESSAGE_FIELDS.headers),
      trace: has(trace, MESSAGE_FIELDS.trace),
      schemaVersion,
      tenant,
    },
    isPlacedFieldRequired: false,
  }
}

function isPlain(options: OutboxRouterOptions): boolean {
  const { converters, placements, tenant, contextHeaders } = options
  const isRaw = [converters.key, converters.value, converters.header].every(
    ({ kind }) => kind === 'raw',
  )
  const isAlone = placements.length === 0 && contextHeaders.length === 0
  return isRaw && isAlone && (tenant === undefined || tenant.header === '')
}

/** Without these columns a row is unroutable; those for which that is not said are left out. */
function requiredPlacements(options: OutboxRouterOptions): readonly string[] {
  const { placements, isPlacedFieldRequired } = options
  return isPlacedFieldRequired ? placements.map(({ field }) => field) : []
}

/** As `Matcher.replaceFirst` of Java: `$12` is group 1 and the digit 2 where there is no group 12. */
function replaceGroups(replacement: string, match: RegExpExecArray): string {
  return replacement.replace(
    /\\(.)|\$\{(\w+)\}|\$(\d+)/g,
    (_, escaped: string | undefined, name: string | undefined, digits: string | undefined) => {
      if (escaped !== undefined) return escaped
      if (name !== undefined) return match.groups?.[name] ?? ''
      let length = digits?.length ?? 0
      while (length > 1 && Number(digits?.slice(0, length)) >= match.length) length -= 1
      return (match[Number(digits?.slice(0, length))] ?? '') + (digits?.slice(length) ?? '')
    },
  )
}

function timestampOf(tuple: Tuple, columns: OutboxColumns): number | undefined {
  const value = valueOf(tuple, columns.timestamp)
  return value instanceof Uint8Array ? parseTimestampMs(value) : undefined
}

/** Texts of columns that mostly have the value of the row before. */
class RepeatedTexts {
  readonly #last = new Map<string, { readonly bytes: Uint8Array; readonly text: string }>()

  textOf(column: string, value: ColumnValue | undefined): string | null {
    if (!(value instanceof Uint8Array)) return null
    const last = this.#last.get(column)
    if (last !== undefined && isSame(last.bytes, value)) return last.text
    const decoded = LENIENT_TEXT.decode(value)
    if (value.length <= REPEATED_BYTES_MAX) {
      this.#last.set(column, { bytes: new Uint8Array(value), text: decoded })
    }
    return decoded
  }
}

const REPEATED_BYTES_MAX = 64

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false
  for (let index = 0; index < left.length; index += 1) {
    if (left[index] !== right[index]) return false
  }
  return true
}

function text(tuple: Tuple, column: number | undefined): string | null {
  const value = valueOf(tuple, column)
  return value instanceof Uint8Array ? LENIENT_TEXT.decode(value) : null
}

function valueOf(tuple: Tuple, column: number | undefined): ColumnValue | undefined {
  return column === undefined ? undefined : tuple.value(column)
}
