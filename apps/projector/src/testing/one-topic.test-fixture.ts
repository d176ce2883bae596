import type { Projection } from '@fairlead/projection'
import type { Metrics } from '@fairlead/service'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import { type Database, openDatabase } from '../store/database.ts'
import { accountId } from './accounts.test-fixture.ts'
import { MemoryLog } from './memory-log.test-fixture.ts'
import { type TestProjector, startProjector } from './projector.test-fixture.ts'

export { until } from './until.test-fixture.ts'

export const TOPIC = 'outbox.event.account'

type Options = Parameters<typeof startProjector>[3]

export type Account = { readonly id: string; readonly balance: number; readonly total: bigint }

/** Accounts 0, 1, … with these balances, each of which nothing was taken from. */
export function balances(...amounts: readonly number[]): readonly Account[] {
  return amounts.map((balance, index) => ({
    id: accountId(index),
    balance,
    total: BigInt(balance),
  }))
}

/** A database of its own and a topic of one partition in memory, with projectors over both, for one test. */
export class OneTopicFixture {
  readonly url: string
  readonly db: Database
  log = new MemoryLog(TOPIC, 1)
  readonly #database: TestDatabase
  readonly #running: TestProjector[] = []

  private constructor(database: TestDatabase) {
    this.#database = database
    this.url = database.url
    this.db = openDatabase({ url: database.url, connectionsMax: 3 })
  }

  static async open(): Promise<OneTopicFixture> {
    return new OneTopicFixture(await testDatabase())
  }

  start(projections: readonly Projection[], options: Options = {}): TestProjector {
    return this.startAt(this.url, projections, options)
  }

  /** Over another way to the database. */
  startAt(url: string, projections: readonly Projection[], options: Options = {}): TestProjector {
    const started = startProjector(url, this.log, projections, options)
    this.#running.push(started)
    return started
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#running.splice(0).map(({ projector }) => projector.stop()))
  }

  async close(): Promise<void> {
    await this.stopAll()
    await this.db.destroy()
    await this.#database.drop()
  }

  async readAccounts(): Promise<readonly Account[]> {
    const { rows } = await sql<Account>`
      select id, balance, total from public.account order by id`.execute(this.db)
    return rows
  }

  /** -1 before the first checkpoint. */
  async nextOffset(): Promise<number> {
    const { rows } = await sql<{ next: bigint }>`
      select next_offset as next from evt.checkpoint where part = 0
      order by projection_id`.execute(this.db)
    return Number(rows[0]?.next ?? -1)
  }

  async letters(): Promise<readonly unknown[]> {
    const { rows } = await sql`
      select key, log_offset::int as "offset", kind, stage, error_class as error,
        error_code as code
      from evt.dead_letter order by log_offset`.execute(this.db)
    return rows
  }
}

/** Of `projection_errors_total`. */
export async function errorsOf({ registry }: Metrics, failureClass: string): Promise<number> {
  const metric = await registry.getSingleMetric('projection_errors_total')?.get()
  const ofClass = metric?.values.filter(({ labels }) => labels['error_class'] === failureClass)
  return ofClass?.reduce((sum, { value }) => sum + value, 0) ?? 0
}
