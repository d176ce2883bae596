import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import type { Projection } from '@fairlead/projection'
import { type TestDatabase, testDatabase } from '@fairlead/testing'
import { sql } from 'kysely'
import type { EventLog } from '../log/event-log.ts'
import { type Database, openDatabase } from '../store/database.ts'
import { JOB_LOCK_CLASS, type Job, readJob, requestJob } from '../store/jobs.ts'
import { readVersion } from '../store/versions.ts'
import { accountId, deposited } from './accounts.test-fixture.ts'
import { MemoryLog } from './memory-log.test-fixture.ts'
import { type TestProjector, startProjector } from './projector.test-fixture.ts'
import { until } from './until.test-fixture.ts'

export { until } from './until.test-fixture.ts'

export const PARTITIONS = 2

type Options = Parameters<typeof startProjector>[3]

export type Balance = readonly [id: string, balance: number]

/** Balances of accounts 0, 1, … */
export function balances(...of: readonly number[]): readonly Balance[] {
  return of.map((balance, index) => [accountId(index), balance])
}

/** A database of its own and a log in memory, with projectors over both, for one test. */
export class RebuildFixture {
  readonly db: Database
  readonly log: MemoryLog
  readonly url: string
  readonly #database: TestDatabase
  readonly #running: TestProjector[] = []

  private constructor(database: TestDatabase, log: MemoryLog) {
    this.#database = database
    this.url = database.url
    this.db = openDatabase({ url: database.url, connectionsMax: 5 })
    this.log = log
  }

  static async open(otherTopics: readonly string[] = []): Promise<RebuildFixture> {
    const log = new MemoryLog('outbox.event.account', PARTITIONS, otherTopics)
    return new RebuildFixture(await testDatabase(), log)
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

  hasState(name: string, version: number, state: string): Promise<void> {
    return until(async () =>
      strictEqual((await readVersion(this.db, { name, version })).state, state),
    )
  }

  async balancesIn(schema: string): Promise<readonly Balance[]> {
    const { rows } = await sql<{ id: string; balance: number }>`
      select id, balance from ${sql.table(`${schema}.account`)} order by id`.execute(this.db)
    return rows.map(({ id, balance }) => [id, balance])
  }

  hasBalances(schema: string, expected: readonly Balance[]): Promise<void> {
    return until(async () => deepStrictEqual(await this.balancesIn(schema), expected))
  }

  async letters(version: number): Promise<readonly unknown[]> {
    const { rows } = await sql`
      select key, part, log_offset::int as "offset", kind, error_code as code from evt.dead_letter
      where version = ${version} order by topic, part, log_offset`.execute(this.db)
    return rows
  }

  /** The log, which does not answer what is read of it while `isAway`. */
  absentLog(state: { isAway: boolean; isAsked: boolean }): EventLog {
    const inner = this.log.open()
    const read: EventLog['read'] = (request) => {
      if (!state.isAway) return inner.read(request)
      state.isAsked = true
      const { signal } = request
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    }
    return { ...inner, read }
  }

  /** Sessions that have a job, of any process. */
  async jobSessions(): Promise<readonly unknown[]> {
    const { rows } = await sql`
      select pid from pg_locks where locktype = 'advisory' and classid = ${JOB_LOCK_CLASS}::oid
        and database = (select oid from pg_database where datname = current_database())`.execute(
      this.db,
    )
    return rows
  }

  /** Orders a job of a version, and waits for its end. */
  async runJob(
    name: string,
    job: Pick<Job, 'version' | 'kind' | 'request'>,
  ): Promise<Job | undefined> {
    const { version } = job
    const { projectionId } = await readVersion(this.db, { name, version })
    const id = await requestJob(this.db, { projectionId, ...job })
    await until(async () => match((await readJob(this.db, id))?.state ?? '', /done|failed/))
    return readJob(this.db, id)
  }

  /** Deposits of 1 to accounts in turn, each in a partition of its own. */
  appendDeposits(count: number, accountCount: number): void {
    for (let index = 0; index < count; index += 1) {
      const account = index % accountCount
      this.log.append(account % PARTITIONS, deposited(accountId(account), 1))
    }
  }
}
