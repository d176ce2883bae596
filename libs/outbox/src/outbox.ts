import { type AnyEvents, type NewEvent, recordName } from '@fairlead/avro'
import { OperationalError } from '@fairlead/base'
import type { AvroEncoder, AvroSerde } from '@fairlead/serde'
import { type RawBuilder, type Transaction, sql } from 'kysely'

/** Debezium's default route: the aggregate type stands behind this prefix in the topic's name. */
const TOPIC_PREFIX = 'outbox.event.'

/** One transaction that writes more events than this is a bulk load, and belongs in several. */
const EVENTS_PER_APPEND_MAX = 10_000

export type OutboxOptions = {
  readonly serde: AvroSerde
  /** Every event set that this service writes. */
  readonly events: readonly AnyEvents[]
  /**
   * Headers for the events of one `append`, such as `traceparent` of the request at hand. They become
   * headers of the records.
   */
  readonly headers?: () => Readonly<Record<string, string>>
  /**
   * `table`, the default: a row of outbox.events, which can be read and published again later.
   * `message`: in the write-ahead log alone (`outbox.emit_bytes`), which costs about half and leaves
   * nothing to clean; what a lost slot has not published is gone.
   */
  readonly transport?: 'table' | 'message'
}

/** An event that cannot be written: it is not in the outbox's event sets, or breaks its schema. */
export class OutboxError extends OperationalError {
  override readonly name = 'OutboxError'

  constructor(message: string, cause?: unknown) {
    super(message, { code: 'OUTBOX_EVENT_REFUSED', retryable: false, cause })
  }
}

/** Writes events into the outbox, in the transaction of the rows that they tell about. */
export interface Outbox {
  /**
   * Writes the events in order, with one statement. They reach their topics when, and only when, the
   * transaction commits.
   *
   * @throws {OutboxError} before any row is written, when one of the events cannot be encoded.
   */
  append<DB>(transaction: Transaction<DB>, ...events: readonly NewEvent[]): Promise<void>
}

/**
 * Registers the schemas of all event sets, each under `<topic>-<full name>` (Confluent's
 * TopicRecordNameStrategy, since one topic holds several event types), so that `append` needs no
 * registry: a transaction never waits for one.
 *
 * Rejects with the registry's error when a schema is refused or the registry cannot be reached.
 */
export async function createOutbox(options: OutboxOptions): Promise<Outbox> {
  const encoders = new Map<string, AvroEncoder>()
  for (const { topic, definitions } of options.events) {
    aggregateTypeOf(topic)
    for (const [type, definition] of Object.entries(definitions)) {
      const subject = `${topic}-${recordName(definition)}`
      const schema = { schema: JSON.stringify(definition) }
      encoders.set(encoderKey(topic, type), await options.serde.encoder(subject, schema))
    }
  }
  const { headers = () => ({}), transport = 'table' } = options
  return new PostgresOutbox(encoders, headers, STATEMENTS[transport])
}

type Columns = {
  readonly aggregateTypes: readonly string[]
  readonly keys: readonly string[]
  readonly types: readonly string[]
  readonly payloads: readonly Buffer[]
  readonly headers: string
}

/**
 * `with ordinality` keeps the order of the events: rows of one statement are decoded from the WAL in
 * the order in which they were inserted, and messages in which they were emitted.
 */
const STATEMENTS = {
  table: ({ headers, ...columns }: Columns) => sql`
    insert into outbox.events (aggregatetype, aggregateid, type, payload, headers)
    select aggregatetype, aggregateid, type, payload, ${headers}::jsonb
    from ${eventsOf(columns)} order by position`,
  message: ({ headers, ...columns }: Columns) => sql`
    select outbox.emit_bytes(aggregatetype, aggregateid, type, payload, ${headers}::jsonb)
    from (select * from ${eventsOf(columns)} order by position) as event`,
} as const

function eventsOf({ aggregateTypes, keys, types, payloads }: Omit<Columns, 'headers'>) {
  return sql`unnest(
      ${aggregateTypes}::text[], ${keys}::text[], ${types}::text[], ${payloads}::bytea[]
    ) with ordinality as event (aggregatetype, aggregateid, type, payload, position)`
}

class PostgresOutbox implements Outbox {
  readonly #encoders: ReadonlyMap<string, AvroEncoder>
  readonly #headers: () => Readonly<Record<string, string>>
  readonly #statement: (columns: Columns) => RawBuilder<unknown>

  constructor(
    encoders: ReadonlyMap<string, AvroEncoder>,
    headers: () => Readonly<Record<string, string>>,
    statement: (columns: Columns) => RawBuilder<unknown>,
  ) {
    this.#encoders = encoders
    this.#headers = headers
    this.#statement = statement
  }

  async append<DB>(transaction: Transaction<DB>, ...events: readonly NewEvent[]): Promise<void> {
    if (events.length === 0) return
    if (events.length > EVENTS_PER_APPEND_MAX) {
      throw new OutboxError(
        `${events.length} events in one append: ${EVENTS_PER_APPEND_MAX} at most`,
      )
    }
    const payloads = events.map((event) => this.#encode(event))
    const headers = JSON.stringify(this.#headers())
    const columns = {
      aggregateTypes: events.map((event) => aggregateTypeOf(event.topic)),
      keys: events.map((event) => event.key),
      types: events.map((event) => event.type),
      payloads,
      headers,
    }
    await this.#statement(columns).execute(transaction)
  }

  #encode(event: NewEvent): Buffer {
    const encoder = this.#encoders.get(encoderKey(event.topic, event.type))
    if (encoder === undefined) {
      throw new OutboxError(`${event.type} of ${event.topic} is in no event set of this outbox`)
    }
    if (event.key === '') throw new OutboxError(`${event.type} has an empty key`)
    try {
      return Buffer.from(encoder.encode(event.data))
    } catch (error) {
      throw new OutboxError(`${event.type} with key "${event.key}" breaks its schema`, error)
    }
  }
}

function aggregateTypeOf(topic: string): string {
  if (!topic.startsWith(TOPIC_PREFIX) || topic.length === TOPIC_PREFIX.length) {
    throw new OutboxError(
      `topic "${topic}" does not start with "${TOPIC_PREFIX}": the relay routes there`,
    )
  }
  return topic.slice(TOPIC_PREFIX.length)
}

function encoderKey(topic: string, type: string): string {
  return `${topic} ${type}`
}
