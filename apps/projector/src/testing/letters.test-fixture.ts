import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import type { AnyEvent, Projection, Row } from '@fairlead/projection'
import { EncodeError, withWirePrefix } from '@fairlead/serde'
import { createHttpServer, Health } from '@fairlead/service'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import type { Payloads } from '../letters/edit-value.ts'
import { addLetterRoutes } from '../letters/letter-routes.ts'
import { type Database, openDatabase } from '../store/database.ts'
import { takeStrictly } from '../strict-requests.ts'
import { accounts } from './accounts.test-fixture.ts'
import { MemoryLog } from './memory-log.test-fixture.ts'
import { type TestProjector, startProjector } from './projector.test-fixture.ts'
import { until } from './until.test-fixture.ts'

export { until } from './until.test-fixture.ts'

export const TOPIC = 'outbox.event.account'
export const ANA = { actor: 'ana', reason: 'the bank was closed' }

type HttpServer = ReturnType<typeof createHttpServer>

/** Differs for every other order of the amounts. */
export function folded(...amounts: readonly number[]): number {
  return amounts.reduce((balance, amount) => (balance * 31 + amount) % 1_000_003, 0)
}

/** A handler that refuses nothing once it is cured: as if what it asks had been away. */
export function curable() {
  const state = { isCured: false }
  const deposit = (row: Row, { data }: AnyEvent): Row => {
    const { amount } = data as { readonly amount: number }
    if (amount < 0 && !state.isCured) throw new RangeError('nothing deposited')
    return { ...row, balance: (Number(row['balance']) * 31 + amount) % 1_000_003 }
  }
  return { state, projection: { ...accounts, on: { Deposited: deposit } } }
}

const PAYLOADS: Payloads = {
  load: async (subject) => ({
    subject,
    schemaId: 1,
    version: 1,
    schemaType: 'AVRO',
    encode: (json) => {
      if (typeof JSON.parse(json).amount !== 'number') throw new EncodeError('no int', '.amount')
      return withWirePrefix(1, Buffer.from(json))
    },
  }),
}

/** A database of its own, a topic of two partitions in memory, and a projector that answers for its letters. */
export class LetterFixture {
  readonly db: Database
  log: MemoryLog = new MemoryLog(TOPIC, 2)
  readonly #database: TestDatabase
  #running: TestProjector | undefined
  #http: HttpServer | undefined

  private constructor(database: TestDatabase) {
    this.#database = database
    this.db = openDatabase({ url: database.url, connectionsMax: 3 })
  }

  static async open(): Promise<LetterFixture> {
    return new LetterFixture(await testDatabase())
  }

  async serve(
    projections: readonly Projection[] = [accounts],
    options: Parameters<typeof startProjector>[3] = {},
  ): Promise<{ readonly http: HttpServer; readonly projector: TestProjector['projector'] }> {
    const running = startProjector(this.#database.url, this.log, projections, options)
    this.#running = running
    const { projector, metrics } = running
    const of = { name: 'projector', version: 'test', health: new Health(), metrics }
    const http = createHttpServer(of)
    this.#http = http
    takeStrictly(http)
    const runners = () => projector.runners
    addLetterRoutes(http, { db: projector.operatorDb, runners, payloads: PAYLOADS })
    await http.ready()
    await until(() => strictEqual(running.health.get('database'), true))
    return { http, projector }
  }

  async close(): Promise<void> {
    await this.#http?.close()
    await this.#running?.projector.stop()
    await this.db.destroy()
    await this.#database.drop()
  }

  async ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, payload?: object) {
    const request = { method, url, ...(payload === undefined ? {} : { payload }) }
    const response = await this.#http?.inject(request)
    if (response === undefined) throw new Error('nothing is served yet')
    return { status: response.statusCode, body: response.json<Record<string, unknown>>() }
  }

  /** By projection and partition. */
  async appliedUpTo(...offsets: readonly number[]): Promise<void> {
    await until(async () => {
      const { rows } = await sql<{ next: number }>`
        select next_offset::int as next from evt.checkpoint
        order by projection_id, part`.execute(this.db)
      deepStrictEqual(
        rows.map(({ next }) => next),
        offsets,
      )
    })
  }

  async balances(): Promise<Readonly<Record<string, number>>> {
    const { rows } = await sql<{ id: string; balance: number }>`
      select id, balance from public.account`.execute(this.db)
    return Object.fromEntries(rows.map(({ id, balance }) => [id, balance]))
  }

  async letters(): Promise<readonly unknown[]> {
    const { rows } = await sql`
      select key, log_offset::int as "offset", kind, attempts from evt.dead_letter
      order by part, log_offset`.execute(this.db)
    return rows
  }

  async parkedKeys(): Promise<readonly string[]> {
    const { rows } = await sql<{ key: string }>`
      select key from evt.parked_key order by key`.execute(this.db)
    return rows.map(({ key }) => key)
  }

  async idAt(offset: number): Promise<string> {
    const { rows } = await sql<{ id: bigint }>`
      select id from evt.dead_letter where log_offset = ${offset}`.execute(this.db)
    return String(rows[0]?.id)
  }
}
