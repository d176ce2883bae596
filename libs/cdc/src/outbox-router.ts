import { DecodeError } from '@fairlead/base'
import { ByteArena } from './byte-arena.ts'
import type { EventPosition } from './event-position.ts'
import { type EventHeader, HeaderWriter } from './outbox-headers.ts'
import { type OutboxColumns, type OutboxFields, outboxColumns } from './outbox-columns.ts'
import type { Relation } from './pgoutput-message.ts'
import { TYPE_OIDS, parseBytea, parseTimestampMs } from './postgres-text.ts'
import { topicNameFault } from './topic-name.ts'
import type { RowChange } from './transaction-assembler.ts'
import type { ColumnValue, Tuple } from './tuple.ts'

export type OutboxRouterOptions = {
  /** The outbox tables, as `schema.table`. */
  readonly tables: readonly string[]
  readonly fields: OutboxFields
  /** Must match the whole value of the route field, or that value is the topic as it is. */
  readonly topicRegex: RegExp
  /** Topic, with `${group}` or `$1` for what `topicRegex` captured. */
  readonly topicReplacement: string
  /** An empty payload becomes a tombstone, as a null one always does. */
  readonly tombstoneOnEmptyPayload: boolean
  /** Written to each record, see {@link SOURCE_HEADER}. */
  readonly source: string
}

/** What becomes of a row. */
export type RouteOutcome =
  | RoutedEvent
  | UnroutableEvent
  /** Not an event: another table, or an update or delete of an outbox row. */
  | { readonly kind: 'ignored'; readonly reason: 'OTHER_TABLE' | 'NOT_AN_INSERT' }

/** A record to publish. It owns its bytes: nothing in it is a view of the message. */
export type RoutedEvent = EventIdentity & {
  readonly kind: 'routed'
  readonly topic: string
  readonly key: Uint8Array
  readonly value: Uint8Array | null
  readonly headers: readonly EventHeader[]
  readonly timestampMs: number
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
 * The payload goes through byte by byte, whatever its type; it is never parsed.
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
  /** Postgres sends a new Relation object whenever a definition changed. */
  readonly #columns = new WeakMap<Relation, OutboxColumns>()

  constructor(options: OutboxRouterOptions) {
    this.#options = options
    this.#tables = new Set(options.tables)
    this.#wholeRegex = new RegExp(`^(?:${options.topicRegex.source})$`, 's')
    this.#headers = new HeaderWriter(this.#arena, options.source)
  }

  route(row: RowChange): RouteOutcome {
    const { change } = row
    const { relation } = change
    if (!this.#tables.has(`${relation.schema}.${relation.table}`)) {
      return { kind: 'ignored', reason: 'OTHER_TABLE' }
    }
    if (change.kind !== 'insert') return { kind: 'ignored', reason: 'NOT_AN_INSERT' }
    return this.#routeInsert(row, change.row, this.#columnsOf(relation))
  }

  #columnsOf(relation: Relation): OutboxColumns {
    const known = this.#columns.get(relation)
    if (known !== undefined) return known
    const columns = outboxColumns(relation, this.#options.fields)
    this.#columns.set(relation, columns)
    return columns
  }

  #routeInsert(
    row: RowChange,
    tuple: Tuple,
    columns: OutboxColumns,
  ): RoutedEvent | UnroutableEvent {
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
    const { topic, fault } = this.#topicOf(identity.aggregateType)
    if (fault !== undefined) return unroutable('INVALID_TOPIC', fault)
    if (identity.aggregateId === null || identity.aggregateId === '') {
      return unroutable('INVALID_KEY', 'the key is null or empty')
    }
    const headers = this.#headers.headersOf(identity, text(tuple, columns.trace))
    if (headers === undefined) {
      return unroutable('INVALID_HEADERS', 'the headers are not a JSON object')
    }
    return {
      ...identity,
      kind: 'routed',
      topic,
      key: this.#own(valueOf(tuple, columns.key)) ?? new Uint8Array(),
      value: this.#valueOf(payload),
      headers,
      timestampMs: timestampOf(tuple, columns) ?? row.commitTimestampMs,
    }
  }

  #topicOf(routedByValue: string): TopicOutcome {
    const known = this.#topics.get(routedByValue)
    if (known !== undefined) return known
    const topic = this.#topicNameOf(routedByValue)
    const outcome = { topic, fault: topicNameFault(topic) }
    if (this.#topics.size >= TOPICS_MAX) this.#topics.clear()
    this.#topics.set(routedByValue, outcome)
    return outcome
  }

  #topicNameOf(routedByValue: string): string {
    const match = this.#wholeRegex.exec(routedByValue)
    if (match === null) return routedByValue
    return this.#options.topicReplacement.replace(
      /\$\{(\w+)\}|\$(\d)/g,
      (_, name: string | undefined, index: string | undefined) =>
        (name === undefined ? match[Number(index)] : match.groups?.[name]) ?? '',
    )
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
