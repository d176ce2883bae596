import { randomUUID } from 'node:crypto'
import {
  type AnyEvent,
  type BatchLedger,
  type Letter,
  type PreparedRecord,
  type Row,
  type SqlProjection,
  classifyFailure,
  enrichedFor,
  isEventFault,
  keepingTransaction,
} from '@fairlead/projection'
import { type Kysely, type KyselyPlugin, type Transaction, sql } from 'kysely'
import type { LookUp } from './look-up.ts'
import { ProgressBook, eventsOf } from './progress-book.ts'
import { Crash, type ReadModel, type RecordBatch, Statements, type Tables } from './read-model.ts'

type Tested = {
  readonly projection: SqlProjection
  readonly lookUp: LookUp
  /** Handlers are told so, as in a rebuild. */
  readonly isReplay: boolean
}

/** An SQL projection in a schema of its own, which `close` drops. */
export class PostgresReadModel implements ReadModel {
  /** A batch has some per event; crashes behind later ones look the same. */
  readonly statementsMax = 12
  readonly #db: Kysely<unknown>
  readonly #schema: string
  readonly #projection: SqlProjection
  readonly #lookUp: LookUp
  readonly #isReplay: boolean
  readonly #book: ProgressBook

  private constructor(
    db: Kysely<unknown>,
    schema: string,
    { projection, lookUp, isReplay }: Tested,
  ) {
    this.#db = db
    this.#schema = schema
    this.#projection = projection
    this.#lookUp = lookUp
    this.#isReplay = isReplay
    this.#book = new ProgressBook(projection)
  }

  static async create(db: Kysely<unknown>, tested: Tested): Promise<PostgresReadModel> {
    const { projection } = tested
    const schema = `test_${projection.name}_${randomUUID().slice(0, 8)}`
    await db.transaction().execute(async (trx) => {
      await sql`create schema ${sql.id(schema)}`.execute(trx)
      await sql`set local search_path to ${sql.id(schema)}, public`.execute(trx)
      await projection.migrate(trx.withSchema(schema))
    })
    return new PostgresReadModel(db, schema, tested)
  }

  get letters(): readonly Letter[] {
    return this.#book.letters
  }

  nextOffset(topic: string): number {
    return this.#book.nextOffset(topic)
  }

  /** As live: all events at once, and, when one of them fails, each behind a savepoint. */
  async apply(batch: RecordBatch, crashAfter?: number): Promise<void> {
    const { topic } = batch
    const statements = new Statements(crashAfter)
    const admitted = this.#book.begin(batch)
    // Outside of the transaction, as live.
    const lookedUp =
      this.#projection.enrichEach === undefined
        ? undefined
        : await this.#lookUp(eventsOf(admitted.records, this.#book.openLedger(topic)), undefined)
    const run = async (handle: Handle): Promise<void> => {
      const ledger = this.#book.openLedger(topic)
      await this.#db.transaction().execute(async (trx) => {
        statements.ran()
        await sql`set local search_path to ${sql.id(this.#schema)}, public`.execute(trx)
        const counted = keepingTransaction(trx).withPlugin(counting(statements))
        for (const [tenant, records] of Map.groupBy(admitted.records, (of) => of.tenant)) {
          if (this.#projection.tenants !== undefined) {
            await sql`select set_config('app.tenant', ${tenant}, true)`.execute(trx)
          }
          await handle({ records, ledger, trx, counted, lookedUp })
        }
      })
      this.#book.commit(topic, admitted, ledger)
    }
    try {
      await run((part) => this.#handleAll(part))
    } catch (error) {
      if (!isFaultOfEvent(error)) throw error
      await run((part) => this.#handleEach(part))
    }
    statements.ran()
  }

  async rows(): Promise<Tables> {
    const { rows: tables } = await sql<{ name: string; order: string }>`
      select relname::text as name, (
        select string_agg(quote_ident(attname)
            || case when typname in ('json', 'xml') or typcategory = 'G' then '::text' else '' end,
          ', ' order by attnum)
        from pg_attribute join pg_type on pg_type.oid = atttypid
        where attrelid = pg_class.oid and attnum > 0 and not attisdropped
      ) as order from pg_class
      where relnamespace = ${this.#schema}::regnamespace and relkind in ('r', 'p')
        and not relispartition
      order by relname`.execute(this.#db)
    const read = tables.map(async ({ name, order }) => {
      const { rows } = await sql<Row>`
        select * from ${sql.table(`${this.#schema}.${name}`)} order by ${sql.raw(order)}`.execute(
        this.#db,
      )
      return [name, rows] as const
    })
    return Object.fromEntries(await Promise.all(read))
  }

  async close(): Promise<void> {
    await sql`drop schema ${sql.id(this.#schema)} cascade`.execute(this.#db)
  }

  async #handleAll({ records, ledger, counted, lookedUp }: Part): Promise<void> {
    const enriched = lookedUp ?? (await this.#lookUp(eventsOf(records, ledger), counted))
    for (const prepared of records) {
      const event = ledger.open(prepared)
      if (event === null) continue
      await this.#run(event, enriched, counted)
      ledger.applied()
    }
  }

  async #handleEach({ records, ledger, trx, counted, lookedUp }: Part): Promise<void> {
    for (const prepared of records) {
      const event = ledger.open(prepared)
      if (event === null) continue
      await sql`savepoint event`.execute(trx)
      try {
        await this.#run(event, lookedUp ?? (await this.#lookUp([event], counted)), counted)
        await sql`set constraints all immediate`.execute(trx)
        await sql`release savepoint event`.execute(trx)
        ledger.applied()
      } catch (error) {
        if (!isFaultOfEvent(error)) throw error
        await sql`rollback to savepoint event`.execute(trx)
        ledger.failed(prepared, error, 'handle')
      }
    }
  }

  async #run(event: AnyEvent, enriched: unknown, counted: Transaction<unknown>): Promise<void> {
    const own = enrichedFor(this.#projection, enriched, event)
    const trx = counted.withSchema(this.#schema)
    // Effects are none of the rows'.
    const liveOnly = (): void => undefined
    const context = { trx, enriched: own, replay: this.#isReplay, liveOnly }
    await this.#projection.on[event.type]?.(event, context)
  }
}

/** Records of one tenant, and the transaction that they are applied in. */
type Part = {
  readonly records: readonly PreparedRecord[]
  readonly ledger: BatchLedger
  readonly trx: Transaction<unknown>
  /** The same transaction, for code of the projection. */
  readonly counted: Transaction<unknown>
  /** What `enrichEach` has returned, where the projection has one. */
  readonly lookedUp: unknown
}

type Handle = (part: Part) => Promise<void>

function isFaultOfEvent(error: unknown): boolean {
  return !(error instanceof Crash) && isEventFault(classifyFailure(error, 'handler'))
}

/** Counts statements once they have an answer. */
function counting(statements: Statements): KyselyPlugin {
  return {
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      statements.ran()
      return result
    },
  }
}
