import { randomUUID } from 'node:crypto'
import {
  type BatchLedger,
  type Letter,
  type PreparedRecord,
  type Row,
  type SqlProjection,
  classifyFailure,
  enrichedFor,
  isEventFault,
} from '@fairlead/projection'
import { type Kysely, type KyselyPlugin, type Transaction, sql } from 'kysely'
import { lookedUpFor } from './looked-up-for.ts'
import { ProgressBook } from './progress-book.ts'
import { Crash, type ReadModel, type RecordBatch, Statements, type Tables } from './read-model.ts'

/** An SQL projection in a schema of its own, which `close` drops. */
export class PostgresReadModel implements ReadModel {
  /** A batch has some per event; crashes behind later ones look the same. */
  readonly statementsMax = 12
  readonly #db: Kysely<unknown>
  readonly #schema: string
  readonly #projection: SqlProjection
  readonly #book: ProgressBook

  private constructor(db: Kysely<unknown>, schema: string, projection: SqlProjection) {
    this.#db = db
    this.#schema = schema
    this.#projection = projection
    this.#book = new ProgressBook(projection)
  }

  static async create(db: Kysely<unknown>, projection: SqlProjection): Promise<PostgresReadModel> {
    const schema = `test_${projection.name}_${randomUUID().slice(0, 8)}`
    await db.transaction().execute(async (trx) => {
      await sql`create schema ${sql.id(schema)}`.execute(trx)
      await sql`set local search_path to ${sql.id(schema)}, public`.execute(trx)
      await projection.migrate(trx.withSchema(schema))
    })
    return new PostgresReadModel(db, schema, projection)
  }

  get letters(): readonly Letter[] {
    return this.#book.letters
  }

  nextOffset(topic: string): number {
    return this.#book.nextOffset(topic)
  }

  async apply(batch: RecordBatch, crashAfter?: number): Promise<void> {
    const statements = new Statements(crashAfter)
    const { admitted, ledger } = this.#book.begin(batch)
    await this.#db.transaction().execute(async (trx) => {
      statements.ran()
      const counted = trx.withPlugin(counting(statements))
      await this.#handle(admitted.records, ledger, { trx, counted })
    })
    this.#book.commit(batch.topic, admitted, ledger)
    statements.ran()
  }

  async rows(): Promise<Tables> {
    const { rows: tables } = await sql<{ name: string }>`
      select relname::text as name from pg_class
      where relnamespace = ${this.#schema}::regnamespace and relkind in ('r', 'p')
      order by relname`.execute(this.#db)
    const read = tables.map(async ({ name }) => {
      const { rows } = await sql<Row>`
        select * from ${sql.table(`${this.#schema}.${name}`)} order by 1`.execute(this.#db)
      return [name, rows] as const
    })
    return Object.fromEntries(await Promise.all(read))
  }

  async close(): Promise<void> {
    await sql`drop schema ${sql.id(this.#schema)} cascade`.execute(this.#db)
  }

  /** Each event behind a savepoint, as the projector does it once a batch has failed. */
  async #handle(
    records: readonly PreparedRecord[],
    ledger: BatchLedger,
    {
      trx,
      counted,
    }: { readonly trx: Transaction<unknown>; readonly counted: Transaction<unknown> },
  ): Promise<void> {
    const { on, enrich, tenants } = this.#projection
    const scoped = counted.withSchema(this.#schema)
    for (const prepared of records) {
      const event = ledger.open(prepared)
      if (event === null) continue
      if (tenants !== undefined) {
        await sql`select set_config('app.tenant', ${prepared.tenant}, true)`.execute(trx)
      }
      await sql`savepoint event`.execute(trx)
      try {
        const lookedUp = await lookedUpFor(this.#projection, [event])
        const enriched = lookedUp ?? (await enrich?.([event], { db: counted }))
        const own = enrichedFor(this.#projection, enriched, event)
        await on[event.type]?.(event, { trx: scoped, enriched: own, ...LIVE })
        await sql`set constraints all immediate`.execute(trx)
        await sql`release savepoint event`.execute(trx)
        ledger.applied()
      } catch (error) {
        const isItsFault = isEventFault(classifyFailure(error, 'handler'))
        if (error instanceof Crash || !isItsFault) throw error
        await sql`rollback to savepoint event`.execute(trx)
        ledger.failed(prepared, error, 'handle')
      }
    }
  }
}

/** As in a version that is live; effects are none of the rows'. */
const LIVE = { replay: false, liveOnly: () => undefined }

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
