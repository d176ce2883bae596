import { type AnyEvents, type NewEvent, recordName } from '@fairlead/avro'
import { AsyncLocalStorage } from 'node:async_hooks'
import { EVENT_HEADERS, errorMessage } from '@fairlead/base'
import type { AvroEncoder, AvroSerde } from '@fairlead/serde'
import { type Kysely, type RawBuilder, type Transaction, sql } from 'kysely'
import type { CommitToken } from './commit-token.ts'
import {
  LAST_APPEND,
  NO_EVENTS,
  NO_TRANSACTION,
  TRANSACTION_ID,
  currentTransaction,
  lsnBehindCommitOf,
  lsnBehindCommits,
  setLastAppend,
  tokenOf,
} from './commit-position.ts'
import { OutboxError } from './outbox-error.ts'
import {
  NO_APPEND,
  type TransactionEvents,
  type WrittenEvents,
  writtenWith,
} from './written-events.ts'

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

/** Where the events of a transaction stand that somebody else commits. */
export type UncommittedToken = {
  /**
   * The token, once the commit was answered. `db` is the database of the transaction.
   *
   * @throws {TransactionNotCommittedError} when the transaction is still open, or was rolled back.
   */
  committed<DB>(db: Kysely<DB>): Promise<CommitToken>
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
   * until a projection has applied them. It takes two statements more than a plain transaction, one ahead of
   * the commit, and one behind it. When that one fails there is a token all the same, as the events are written.
   * Events that were rolled back to a savepoint do not count.
   *
   * @throws what `work` throws; then nothing is written. {@link OutboxError} in a transaction.
   */
  transaction<DB, R>(
    db: Kysely<DB>,
    work: (transaction: Transaction<DB>) => Promise<R>,
  ): Promise<{ readonly result: R; readonly token: CommitToken }>

  /**
   * The token of a transaction that somebody else begins and commits, such as a framework. It is asked for in
   * the transaction, and is there once that has committed:
   *
   *     const uncommitted = await outbox.token(transaction)
   *     // … commit …
   *     const token = await uncommitted.committed(db)
   *
   * Whatever was, and still is, appended to the transaction counts, also with another outbox of the process. Events
   * that were rolled back to a savepoint do not, when that was before the token was asked for, or before an append.
   *
   * @throws {OutboxError} outside of a transaction.
   */
  token<DB>(transaction: Transaction<DB>): Promise<UncommittedToken>
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
  // A service in JavaScript may say anything, and would learn of it with its first event.
  if (!Object.hasOwn(STATEMENTS, transport)) {
    throw new OutboxError(`transport is 'table' or 'message', not ${transport}`)
  }
  return new PostgresOutbox({ encoders, headers, statement: STATEMENTS[transport] })
}

type Columns = {
  readonly aggregateTypes: readonly string[]
  readonly keys: readonly string[]
  readonly types: readonly string[]
  readonly payloads: readonly Buffer[]
  readonly headers: string
  readonly appendId: string
}

/**
 * `with ordinality` keeps the order of the events: rows of one statement are decoded from the WAL in
 * the order in which they were inserted, and messages in which they were emitted. `offset 0` reads the setting before it
 * is set.
 */
const STATEMENTS = {
  table: ({ headers, appendId, ...columns }: Columns) => sql<Written>`
    with written as (
      insert into outbox.events (aggregatetype, aggregateid, type, payload, headers)
      select aggregatetype, aggregateid, type, payload, ${withTransactionId(headers)}
      from ${eventsOf(columns)} order by position
    ) select id, previous, ${setLastAppend(appendId)}
    from (select ${TRANSACTION_ID} as id, ${LAST_APPEND} as previous offset 0) as before`,
  message: ({ headers, appendId, ...columns }: Columns) => sql<Written>`
    select id, previous, ${setLastAppend(appendId)} from (
      select max(id) as id, ${LAST_APPEND} as previous from (
        select ${TRANSACTION_ID} as id,
          outbox.emit_bytes(aggregatetype, aggregateid, type, payload, ${withTransactionId(headers)})
        from (select * from ${eventsOf(columns)} order by position) as event
      ) as emitted offset 0
    ) as before`,
} as const

/** The transaction, and the append that was its last one. */
type Written = { readonly id: string; readonly previous: string }

function withTransactionId(headers: string): RawBuilder<unknown> {
  return sql`${headers}::jsonb || jsonb_build_object(
    ${EVENT_HEADERS.transactionId}::text, ${TRANSACTION_ID})`
}

function eventsOf({
  aggregateTypes,
  keys,
  types,
  payloads,
}: Omit<Columns, 'headers' | 'appendId'>) {
  return sql`unnest(
      ${aggregateTypes}::text[], ${keys}::text[], ${types}::text[], ${payloads}::bytea[]
    ) with ordinality as event (aggregatetype, aggregateid, type, payload, position)`
}

type Parts = {
  readonly encoders: ReadonlyMap<string, AvroEncoder>
  readonly headers: () => Readonly<Record<string, string>>
  readonly statement: (columns: Columns) => RawBuilder<Written>
}

/** The transactions of a database that are appended to, with any outbox, while the work of a `transaction` runs. */
type AppendedTo = {
  readonly written: WrittenEvents
  readonly ids: Set<string>
  /** Of the work that this one is part of. */
  readonly outer: AppendedTo | undefined
}

/** Of the process, so that its outboxes may append to one transaction. */
let appendCount = 0
const NOTHING_WRITTEN: Written = { id: NO_TRANSACTION, previous: NO_APPEND }

const APPENDED_TO = new AsyncLocalStorage<AppendedTo>()

class PostgresOutbox implements Outbox {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async append<DB>(transaction: Transaction<DB>, ...events: readonly NewEvent[]): Promise<void> {
    if (events.length === 0) return
    // Behind a cast, events would be there whatever becomes of the rows.
    refuseNoTransaction(
      transaction,
      'events are written in the transaction of their rows: append takes the transaction, not the database',
    )
    if (events.length > EVENTS_PER_APPEND_MAX) {
      throw new OutboxError(
        `${events.length} events in one append: ${EVENTS_PER_APPEND_MAX} at most`,
      )
    }
    const payloads = events.map((event) => this.#encode(event))
    const headers = JSON.stringify(this.#parts.headers())
    const appendId = String((appendCount += 1))
    const columns = {
      aggregateTypes: events.map((event) => aggregateTypeOf(event.topic)),
      keys: events.map((event) => event.key),
      types: events.map((event) => event.type),
      payloads,
      headers,
      appendId,
    }
    const { rows } = await this.#parts.statement(columns).execute(transaction)
    const { id: transactionId, previous: previousId } = rows[0] ?? NOTHING_WRITTEN
    const written = writtenWith(transaction)
    for (let work = APPENDED_TO.getStore(); work !== undefined; work = work.outer) {
      if (work.written === written) work.ids.add(transactionId)
    }
    written.of(transactionId).add(events, { appendId, previousId })
  }

  async transaction<DB, R>(
    db: Kysely<DB>,
    work: (transaction: Transaction<DB>) => Promise<R>,
  ): Promise<{ readonly result: R; readonly token: CommitToken }> {
    // A transaction is a Kysely, too, and its commit is somebody else's.
    if (db.isTransaction) {
      throw new OutboxError(
        'outbox.transaction begins a transaction, and is in one already: append to that, and ask outbox.token for its token',
      )
    }
    const written = writtenWith(db)
    const ids = new Set<string>()
    const appendedTo = { written, ids, outer: APPENDED_TO.getStore() }
    // One connection for both: behind a queue for another one, the LSN would be that of a later time,
    // above the commits of everybody in the queue.
    const { result, appended, lsn } = await db.connection().execute(async (connection) => {
      const committed = await connection.transaction().execute(async (transaction) => ({
        result: await APPENDED_TO.run(appendedTo, () => work(transaction)),
        appended: ids.size > 0 ? await currentTransaction(transaction) : undefined,
      }))
      if (committed.appended === undefined) return { ...committed, lsn: undefined }
      return { ...committed, lsn: await lsnBehindCommits(connection).catch(() => undefined) }
    })
    if (appended === undefined) return { result, token: NO_EVENTS }
    const { transactionId, lastAppendId } = appended
    const events = written.of(transactionId)
    events.keepUpTo(lastAppendId)
    // When it is the connection that has failed, another one may do.
    const askLsn = async () => lsn ?? (await lsnBehindCommits(db))
    const token = await tokenOf(transactionId, askLsn, events)
    written.close(transactionId)
    return { result, token }
  }

  async token<DB>(transaction: Transaction<DB>): Promise<UncommittedToken> {
    refuseNoTransaction(transaction, 'a token is asked for in its transaction, ahead of the commit')
    const { transactionId, lastAppendId } = await currentTransaction(transaction)
    const written = writtenWith(transaction)
    const events = written.of(transactionId)
    events.keepUpTo(lastAppendId)
    return { committed: (db) => committedToken(db, { transactionId, written, events }) }
  }

  #encode(event: NewEvent): Buffer {
    // The types say so; a program without them may spread the wrong thing.
    const given: Partial<NewEvent> | undefined | null = event
    if (given?.topic === undefined) {
      throw new OutboxError(
        `append takes events, as defineEvents makes them, not ${Array.isArray(event) ? 'an array: spread it' : typeof event}`,
      )
    }
    const encoder = this.#parts.encoders.get(encoderKey(event.topic, event.type))
    if (encoder === undefined) {
      throw new OutboxError(`${event.type} of ${event.topic} is in no event set of this outbox`)
    }
    if (event.key === '') throw new OutboxError(`${event.type} has an empty key`)
    if (event.key.includes('\0')) {
      throw new OutboxError(`${event.type} has a key with a NUL, which no text of Postgres has`)
    }
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

async function committedToken<DB>(
  db: Kysely<DB>,
  of: {
    readonly transactionId: string
    readonly written: WrittenEvents
    readonly events: TransactionEvents
  },
): Promise<CommitToken> {
  const { transactionId, written, events } = of
  const token = await tokenOf(transactionId, () => lsnBehindCommitOf(db, transactionId), events)
  written.close(transactionId)
  return token
}

/** The types say so; a program without them may give something else. */
function refuseNoTransaction<DB>(given: Kysely<DB> | undefined, message: string): void {
  if (given === undefined || !given.isTransaction) throw new OutboxError(message)
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
