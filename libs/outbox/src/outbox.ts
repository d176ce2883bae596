import { type AnyEvents, type NewEvent, recordName } from '@fairlead/avro'
import { AsyncLocalStorage } from 'node:async_hooks'
import { EVENT_HEADERS, OperationalError, errorMessage, parseLsn } from '@fairlead/base'
import type { AvroEncoder, AvroSerde } from '@fairlead/serde'
import { type Kysely, type RawBuilder, type Transaction, sql } from 'kysely'
import { type CommitToken, formatCommitToken } from './commit-token.ts'
import { WrittenEvents } from './written-events.ts'

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

  /**
   * Runs `work` in a transaction of `db`. The token says where its events stand: who has it can wait
   * until a projection has applied them. It takes one statement more than a plain transaction, behind
   * the commit.
   *
   * @throws what `work` throws; then nothing is written.
   */
  transaction<DB, R>(
    db: Kysely<DB>,
    work: (transaction: Transaction<DB>) => Promise<R>,
  ): Promise<{ readonly result: R; readonly token: CommitToken }>
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
  table: ({ headers, ...columns }: Columns) => sql<Written>`
    with written as (
      insert into outbox.events (aggregatetype, aggregateid, type, payload, headers)
      select aggregatetype, aggregateid, type, payload, ${withTransactionId(headers)}
      from ${eventsOf(columns)} order by position
    ) select ${TRANSACTION_ID} as id`,
  message: ({ headers, ...columns }: Columns) => sql<Written>`
    select max(id) as id from (
      select ${TRANSACTION_ID} as id,
        outbox.emit_bytes(aggregatetype, aggregateid, type, payload, ${withTransactionId(headers)})
      from (select * from ${eventsOf(columns)} order by position) as event
    ) as emitted`,
} as const

const TRANSACTION_ID = sql`pg_current_xact_id()::text`

type Written = { readonly id: string }

function withTransactionId(headers: string): RawBuilder<unknown> {
  return sql`${headers}::jsonb || jsonb_build_object(
    ${EVENT_HEADERS.transactionId}::text, ${TRANSACTION_ID})`
}

function eventsOf({ aggregateTypes, keys, types, payloads }: Omit<Columns, 'headers'>) {
  return sql`unnest(
      ${aggregateTypes}::text[], ${keys}::text[], ${types}::text[], ${payloads}::bytea[]
    ) with ordinality as event (aggregatetype, aggregateid, type, payload, position)`
}

class PostgresOutbox implements Outbox {
  readonly #encoders: ReadonlyMap<string, AvroEncoder>
  readonly #headers: () => Readonly<Record<string, string>>
  readonly #statement: (columns: Columns) => RawBuilder<Written>
  /** What is appended while the work of a `transaction` runs. */
  readonly #written = new AsyncLocalStorage<WrittenEvents>()

  constructor(
    encoders: ReadonlyMap<string, AvroEncoder>,
    headers: () => Readonly<Record<string, string>>,
    statement: (columns: Columns) => RawBuilder<Written>,
  ) {
    this.#encoders = encoders
    this.#headers = headers
    this.#statement = statement
  }

  async append<DB>(transaction: Transaction<DB>, ...events: readonly NewEvent[]): Promise<void> {
    if (events.length === 0) return
    // The types say so; behind a cast, events would be there whatever becomes of the rows.
    const given: Kysely<DB> | undefined = transaction
    if (given === undefined || !given.isTransaction) {
      throw new OutboxError(
        'events are written in the transaction of their rows: append takes the transaction, not the database',
      )
    }
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
    const { rows } = await this.#statement(columns).execute(transaction)
    this.#written.getStore()?.add(rows[0]?.id ?? '', events)
  }

  async transaction<DB, R>(
    db: Kysely<DB>,
    work: (transaction: Transaction<DB>) => Promise<R>,
  ): Promise<{ readonly result: R; readonly token: CommitToken }> {
    const written = new WrittenEvents()
    // One connection for both: behind a queue for another one, the LSN would be that of a later time,
    // above the commits of everybody in the queue.
    return db.connection().execute(async (connection) => {
      const committed = await connection.transaction().execute(async (transaction) => ({
        result: await this.#written.run(written, () => work(transaction)),
        // The work may have appended to other transactions, too.
        transactionId: written.onlyTransactionId ?? (await currentTransactionId(transaction)),
      }))
      const { result, transactionId } = committed
      const events = written.of(transactionId)
      const lsn = events.size === 0 ? NO_LSN : await lsnBehindCommits(connection)
      return { result, token: formatCommitToken({ lsn, transactionId, written: events }) }
    })
  }

  #encode(event: NewEvent): Buffer {
    // The types say so; a program without them may spread the wrong thing.
    const given: Partial<NewEvent> | undefined | null = event
    if (given?.topic === undefined) {
      throw new OutboxError(
        `append takes events, as defineEvents makes them, not ${Array.isArray(event) ? 'an array: spread it' : typeof event}`,
      )
    }
    const encoder = this.#encoders.get(encoderKey(event.topic, event.type))
    if (encoder === undefined) {
      throw new OutboxError(`${event.type} of ${event.topic} is in no event set of this outbox`)
    }
    if (event.key === '') throw new OutboxError(`${event.type} has an empty key`)
    try {
      return Buffer.from(encoder.encode(event.data))
    } catch (error) {
      throw new OutboxError(
        `${event.type} with key "${event.key}" breaks its schema: ${errorMessage(error)}`,
        error,
      )
    }
  }
}

async function currentTransactionId<DB>(transaction: Transaction<DB>): Promise<string> {
  const { rows } = await sql<Written>`select ${TRANSACTION_ID} as id`.execute(transaction)
  return rows[0]?.id ?? ''
}

const NO_LSN = parseLsn('0/0')

/** Above the commit record of every transaction whose commit was answered. */
async function lsnBehindCommits<DB>(db: Kysely<DB>): Promise<ReturnType<typeof parseLsn>> {
  const { rows } = await sql<{ lsn: string }>`
    select pg_current_wal_insert_lsn()::text as lsn`.execute(db)
  return parseLsn(rows[0]?.lsn ?? '')
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
