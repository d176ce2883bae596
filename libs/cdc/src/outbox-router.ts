import { DecodeError, EVENT_HEADERS } from '@fairlead/base'
import { notAllowedReason } from './allowed-topics.ts'
import type { Converted } from './connect/converter.ts'
import { type CustomRoute, NO_CUSTOM_ROUTE, askRoute, withCustomRoute } from './custom-route.ts'
import { formatPosition } from './event-position.ts'
import {
  HeaderWriter,
  ORDER_HEADER_COUNT,
  POSITION_HEADER_COUNT,
  newTraceparent,
  ownHeaders,
} from './outbox-headers.ts'
import { type OutboxColumns, outboxColumns } from './outbox-columns.ts'
import { MESSAGE_FIELDS, MESSAGE_SCHEMA } from './outbox-message.ts'
import type { OutboxRouterOptions } from './outbox-options.ts'
import { type OutboxRecord, OutboxRecords } from './outbox-record.ts'
import { TupleRow } from './outbox-row.ts'
import type { Relation } from './pgoutput-message.ts'
import { TYPE_OIDS, parseBytea, parseTimestampMs } from './postgres-text.ts'
import { type EventHeader, RecordBodyWriter } from './record-body.ts'
import {
  IN_RECORD,
  type RegistryEncoding,
  RoutedEvent,
  type UnroutableCode,
  type UnroutableEvent,
  extrasOf,
} from './routed-event.ts'
import { topicNameFault } from './topic-name.ts'
import type { RowChange } from './transaction-assembler.ts'
import type { TransactionOrder } from './transaction-events.ts'
import { RepeatedText, hasBytes, isAscii, text } from './tuple-text.ts'
import type { Tuple } from './tuple.ts'

/** What becomes of a row. */
export type RouteOutcome =
  | RoutedEvent
  | UnroutableEvent
  /** Not an event: another table, or a delete of an outbox row. */
  | { readonly kind: 'ignored'; readonly reason: 'OTHER_TABLE' | 'NOT_AN_INSERT' }
  /** The function of `route.module` says that it goes nowhere. */
  | { readonly kind: 'dropped' }
  | InvalidOperation

/** An outbox row was updated: events do not change (`table.op.invalid.behavior`). */
export type InvalidOperation = {
  readonly kind: 'invalid-operation'
  readonly behavior: 'warn' | 'error' | 'fatal'
  readonly reason: string
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

const TEXT = new TextEncoder()
/** `\\x` */
const BYTEA_PREFIX_BYTES = 2

/**
 * Turns rows of an outbox table into records: the rules of Debezium's outbox event router.
 * The payload goes through byte by byte, whatever its type; it is only parsed for a converter.
 */
export class OutboxRouter {
  readonly #options: OutboxRouterOptions
  readonly #tables: ReadonlySet<string>
  readonly #wholeRegex: RegExp
  readonly #body = new RecordBodyWriter()
  readonly #headers: HeaderWriter
  readonly #routes = new RepeatedText()
  readonly #types = new RepeatedText()
  readonly #headersTexts = new RepeatedText()
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
    this.#headers = new HeaderWriter(options)
    this.#isPlain = isPlain(options)
  }

  /** A function has the last word: what it says of an event may be otherwise with the next version of it. */
  get isCustom(): boolean {
    return this.#options.route !== undefined
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
    return this.#routeCounted(row, relation, change.row)
  }

  /** Why an event may not go to a topic; undefined when it may. */
  refusalOf(topic: string): string | undefined {
    return notAllowedReason(topic, this.#options.allowedTopics)
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

  /** An event that is dropped takes no place. */
  #routeCounted(row: RowChange, relation: Relation, tuple: Tuple): RouteOutcome {
    const { events } = row
    if (events === undefined) return this.#routeInsert(row, relation, tuple, undefined)
    const table = `${relation.schema}.${relation.table}`
    const order = events.next(table)
    const outcome = this.#routeInsert(row, relation, tuple, order)
    if (outcome.kind === 'dropped') events.takeBack(table)
    return outcome.kind === 'unroutable' ? { ...outcome, order } : outcome
  }

  #routeInsert(
    row: RowChange,
    relation: Relation,
    tuple: Tuple,
    order: TransactionOrder | undefined,
  ): RouteOutcome {
    const columns = this.#columnsOf(relation)
    if (tuple.sizeBytes > this.#options.rowBytesMax) return this.#tooLarge(row, tuple, columns)
    const unroutable = (code: UnroutableCode, reason: string) =>
      unroutableRow(row, tuple, columns, { code, reason })
    if (columns.missing.length > 0) {
      return unroutable('MISSING_COLUMN', `the table has no column ${columns.missing.join(', ')}`)
    }
    const aggregateType = this.#routes.of(tuple, columns.route)
    if (aggregateType === null) {
      return unroutable('INVALID_TOPIC', 'the column that names the topic is null')
    }
    const tenant = text(tuple, columns.tenant)
    if (this.#options.tenant !== undefined && (tenant === null || tenant === '')) {
      return unroutable('INVALID_TENANT', 'the tenant is null or empty')
    }
    const headersText = this.#headersTexts.of(tuple, columns.headers)
    const own = ownHeaders(headersText, text(tuple, columns.trace))
    if (own === undefined) {
      return unroutable('INVALID_HEADERS', 'the headers are not a JSON object')
    }
    const custom = this.#customRoute(row, relation, tuple, { columns, aggregateType, tenant, own })
    if (custom === 'drop') return { kind: 'dropped' }
    if ('fault' in custom) return unroutable(custom.code, custom.fault)
    const { topic, fault } =
      custom.topic === undefined
        ? this.#topicOf(aggregateType, tenant)
        : this.#checked(custom.topic)
    if (fault !== undefined) return unroutable(fault.code, fault.reason)
    if (this.#options.nullKeys === 'error' && !hasKey(custom.key, tuple, columns.key)) {
      return unroutable('INVALID_KEY', 'the key is null or empty')
    }
    const record = this.#isPlain
      ? undefined
      : this.#recordsOf(relation).recordOf(tuple, aggregateType, tenant)
    if (record !== undefined && 'fault' in record) return unroutable(record.code, record.fault)
    try {
      const routed = { aggregateType, topic, headersText, record, own, order }
      const event = this.#event(row, tuple, columns, routed)
      const whole = withCustomRoute(event, custom, this.#options.converters.key)
      return 'fault' in whole ? unroutable(whole.code, whole.fault) : whole
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return unroutable('INVALID_PAYLOAD', error.message)
    }
  }

  #customRoute(
    row: RowChange,
    relation: Relation,
    tuple: Tuple,
    known: {
      readonly columns: OutboxColumns
      readonly aggregateType: string
      readonly tenant: string | null
      readonly own: readonly EventHeader[]
    },
  ): ReturnType<typeof askRoute> {
    const { route } = this.#options
    if (route === undefined) return NO_CUSTOM_ROUTE
    const { columns, aggregateType, tenant, own } = known
    const timestampMs = timestampOf(tuple, columns) ?? row.commitTimestampMs
    const { topic } = this.#topicOf(aggregateType, tenant)
    const asked = { aggregateType, tenant, timestampMs, topic, own }
    return askRoute(route, new TupleRow(relation, tuple, columns, asked))
  }

  /** @throws {DecodeError} for a payload that is no bytea. */
  #event(
    row: RowChange,
    tuple: Tuple,
    columns: OutboxColumns,
    routed: {
      readonly aggregateType: string
      readonly topic: string
      readonly headersText: string | null
      readonly record: OutboxRecord | undefined
      readonly own: readonly EventHeader[]
      readonly order: TransactionOrder | undefined
    },
  ): RoutedEvent {
    const { aggregateType, topic, headersText, record, order } = routed
    const { commitLsn, commitIndex } = row.position
    const commit = this.#headers.stampOf(commitLsn, row.commitTimestampMs)
    const type = this.#types.of(tuple, columns.type)
    const isIdPlain = record === undefined && isAscii(tuple, columns.id)
    const eventId = isIdPlain ? IN_RECORD : text(tuple, columns.id)
    const own = this.#options.tracesAll ? this.#traced(row, tuple, columns, routed) : routed.own
    const cdcHeaderCount = POSITION_HEADER_COUNT + (order === undefined ? 0 : ORDER_HEADER_COUNT)
    const body = this.#body
    body.begin()
    if (record === undefined) {
      writeColumn(body, tuple, columns.key)
      this.#payload(body, tuple, columns)
      body.headerCount(2 + cdcHeaderCount + own.length)
      body.text(EVENT_HEADERS.id)
      if (eventId === IN_RECORD) writeColumn(body, tuple, columns.id)
      else body.text(eventId ?? '')
      body.text(EVENT_HEADERS.type)
      body.text(type ?? '')
    } else {
      body.bytes(record.key.bytes)
      body.bytes(record.value.bytes)
      body.headerCount(record.headers.length + cdcHeaderCount + own.length)
      for (const header of record.headers) body.header(header)
    }
    this.#headers.writePosition(body, commitIndex)
    if (order !== undefined) this.#headers.writeOrder(body, order)
    for (const header of own) body.header(header)
    return new RoutedEvent({
      topic,
      commit,
      commitIndex,
      aggregateType,
      type,
      headersText,
      body: body.end(),
      eventId,
      aggregateId:
        record === undefined && tuple.start(columns.key) >= 0
          ? IN_RECORD
          : text(tuple, columns.key),
      timestampMs: timestampOf(tuple, columns) ?? row.commitTimestampMs,
      extras: this.#extrasOf(tuple, columns, { topic, type, record }),
    })
  }

  #payload(body: RecordBodyWriter, tuple: Tuple, columns: OutboxColumns): void {
    if (this.#isTombstone(tuple, columns)) body.null()
    else if (columns.payloadTypeOid !== TYPE_OIDS.bytea) writeColumn(body, tuple, columns.payload)
    else body.bytea(tuple.bytes, tuple.start(columns.payload), tuple.end(columns.payload))
  }

  #isTombstone(tuple: Tuple, { payload, payloadTypeOid }: OutboxColumns): boolean {
    const start = tuple.start(payload)
    if (start < 0 || !this.#options.tombstoneOnEmptyPayload) return start < 0
    const emptyBytes = payloadTypeOid === TYPE_OIDS.bytea ? BYTEA_PREFIX_BYTES : 0
    return tuple.end(payload) - start === emptyBytes
  }

  /** The row's own headers, and the begin of a trace when they are in none. */
  #traced(
    { position }: RowChange,
    tuple: Tuple,
    columns: OutboxColumns,
    {
      record,
      own,
    }: { readonly record: OutboxRecord | undefined; readonly own: readonly EventHeader[] },
  ): readonly EventHeader[] {
    const isTraced = ([name]: EventHeader) => name === EVENT_HEADERS.traceparent
    if (own.some(isTraced) || record?.headers.some(isTraced) === true) return own
    const traceparent = newTraceparent({ position, eventId: text(tuple, columns.id) })
    return [...own, [EVENT_HEADERS.traceparent, TEXT.encode(traceparent)]]
  }

  #extrasOf(
    tuple: Tuple,
    columns: OutboxColumns,
    {
      topic,
      type,
      record,
    }: {
      readonly topic: string
      readonly type: string | null
      readonly record: OutboxRecord | undefined
    },
  ) {
    const hasKey = record === undefined ? tuple.start(columns.key) >= 0 : record.key.bytes !== null
    const { documentSubject } = this.#options
    if (record === undefined && hasKey && documentSubject === '') return undefined
    const isTombstone =
      record === undefined ? this.#isTombstone(tuple, columns) : record.value.bytes === null
    return extrasOf({
      partition: record?.partition,
      partitionKey: hasKey ? undefined : TEXT.encode(text(tuple, columns.id) ?? ''),
      encoding:
        documentSubject === ''
          ? registryEncoding(record?.key, record?.value)
          : this.#documentEncoding({ topic, type, isTombstone }),
    })
  }

  #documentEncoding(event: {
    readonly topic: string
    readonly type: string | null
    readonly isTombstone: boolean
  }): RegistryEncoding | undefined {
    if (event.isTombstone) return undefined
    const documentSubject = this.#options.documentSubject
      .replaceAll('${topic}', () => event.topic)
      .replaceAll('${type}', () => event.type ?? '')
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
    const records = new OutboxRecords(relation, this.#options)
    this.#records.set(relation, records)
    return records
  }

  #topicOf(routedByValue: string, tenant: string | null): TopicOutcome {
    const key = tenant === null ? routedByValue : `${tenant}\0${routedByValue}`
    const known = this.#topics.get(key)
    if (known !== undefined) return known
    const outcome = this.#checked(this.#topicNameOf(routedByValue, tenant))
    if (this.#topics.size >= TOPICS_MAX) this.#topics.clear()
    this.#topics.set(key, outcome)
    return outcome
  }

  #checked(topic: string): TopicOutcome {
    return { topic, fault: this.#topicFault(topic) }
  }

  #topicFault(topic: string): TopicOutcome['fault'] {
    const nameFault = topicNameFault(topic)
    if (nameFault !== undefined) return { code: 'INVALID_TOPIC', reason: nameFault }
    const reason = notAllowedReason(topic, this.#options.allowedTopics)
    return reason === undefined ? undefined : { code: 'TOPIC_NOT_ALLOWED', reason }
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
}

type TopicOutcome = {
  readonly topic: string
  readonly fault: { readonly code: UnroutableCode; readonly reason: string } | undefined
}

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

/** With what names the row to people, and its payload where that can be read. */
function unroutableRow(
  row: RowChange,
  tuple: Tuple,
  columns: OutboxColumns,
  fault: { readonly code: UnroutableCode; readonly reason: string },
): UnroutableEvent {
  const payload = payloadOf(tuple, columns)
  const isPayloadAtFault = payload instanceof DecodeError && fault.code !== 'MISSING_COLUMN'
  return {
    kind: 'unroutable',
    code: isPayloadAtFault ? 'INVALID_PAYLOAD' : fault.code,
    reason: isPayloadAtFault ? payload.message : fault.reason,
    position: row.position,
    commitTimestampMs: row.commitTimestampMs,
    eventId: text(tuple, columns.id),
    aggregateType: text(tuple, columns.route),
    aggregateId: text(tuple, columns.key),
    type: text(tuple, columns.type),
    headersText: text(tuple, columns.headers),
    value: payload instanceof DecodeError ? null : payload,
  }
}

function payloadOf(tuple: Tuple, columns: OutboxColumns): Uint8Array | null | DecodeError {
  const start = tuple.start(columns.payload)
  if (start < 0) return null
  // Not `slice`: of a Buffer of Node that is a view of the same memory.
  const payload = new Uint8Array(tuple.bytes.subarray(start, tuple.end(columns.payload)))
  if (columns.payloadTypeOid !== TYPE_OIDS.bytea) return payload
  try {
    return parseBytea(payload)
  } catch (error) {
    if (error instanceof DecodeError) return error
    throw error
  }
}

function timestampOf(tuple: Tuple, { timestamp }: OutboxColumns): number | undefined {
  const start = tuple.start(timestamp)
  return start < 0 ? undefined : parseTimestampMs(tuple.bytes, start, tuple.end(timestamp))
}

/** What a function says of the key goes before the column. */
function hasKey(custom: CustomRoute['key'], tuple: Tuple, column: number | undefined): boolean {
  return custom === undefined ? hasBytes(tuple, column) : custom !== null && custom.length > 0
}

function writeColumn(body: RecordBodyWriter, tuple: Tuple, column: number | undefined): void {
  const start = tuple.start(column)
  if (start < 0) body.null()
  else body.range(tuple.bytes, start, tuple.end(column))
}
