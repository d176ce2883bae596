import type { FoldProjection } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { accountId, accounts, deposited } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, balances, until } from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture
let depositCount: number
const warnings: unknown[] = []
const silent = (): void => undefined
const logger = {
  debug: silent,
  info: silent,
  warn: (fields: object) => warnings.push(fields),
  error: silent,
}

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
  depositCount = 0
  warnings.length = 0
})

afterEach(async () => {
  vi.restoreAllMocks()
  await fixture.close()
})

/** Moves the clock that says how long something took. */
function passTime(ms: number): void {
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + ms)
}

/** Each is a batch of its own. */
async function deposit(...amounts: readonly number[]): Promise<void> {
  for (const amount of amounts) {
    fixture.log.append(0, deposited(accountId(0), amount))
    depositCount += 1
    await until(async () => expect(await fixture.nextOffset()).toBe(depositCount))
  }
}

const TABLES = ['evt.checkpoint', 'evt.parked_key', 'evt.dead_letter', 'rm_accounts_v1.account']

async function backUp(): Promise<void> {
  for (const table of TABLES) {
    await sql`create table ${savedAs(table)} as table ${sql.table(table)}`.execute(fixture.db)
  }
}

function savedAs(table: string) {
  return sql.table(`saved_${table.replace('.', '_')}`)
}

/**
 * As a database is that comes back from a backup, or as a standby that was behind. The workers notice it by nothing but
 * what the tables hold then.
 */
async function restore(): Promise<void> {
  await fixture.db.transaction().execute(async (trx) => {
    for (const table of TABLES) {
      await sql`delete from ${sql.table(table)}`.execute(trx)
      const { rows } = await sql<{ name: string }>`
        select attname as name from pg_attribute
        where attrelid = ${table}::regclass and attnum > 0 and attgenerated = ''`.execute(trx)
      const columns = sql.join(rows.map(({ name }) => sql.ref(name)))
      await sql`insert into ${sql.table(table)} (${columns}) overriding system value
        select ${columns} from ${savedAs(table)}`.execute(trx)
    }
  })
}

test('commits that the database has lost are applied again, and what comes next behind them', async () => {
  fixture.start([accounts], { logger })
  await deposit(1, 2)
  await backUp()
  await deposit(4, 8)
  await restore()
  await deposit(16)
  expect(await fixture.readAccounts()).toEqual(balances(31))
  expect(warnings).toContainEqual(expect.objectContaining({ fromOffset: 4, toOffset: 2 }))
})

test('a database without any checkpoint has everything applied again', async () => {
  fixture.start([accounts], { logger })
  await until(async () => expect(await fixture.nextOffset()).toBe(0))
  await backUp()
  await sql`delete from ${savedAs('evt.checkpoint')}`.execute(fixture.db)
  await deposit(1, 2)
  await restore()
  await deposit(4)
  expect(await fixture.readAccounts()).toEqual(balances(7))
  expect(warnings).toContainEqual(expect.objectContaining({ fromOffset: 2, toOffset: 0 }))
})

test('a worker that has nothing to do finds out as well, and uses no row of what is lost', async () => {
  const { metrics } = fixture.start([accounts], { logger })
  await deposit(1, 2)
  await backUp()
  await deposit(4, 8)
  await restore()
  passTime(60_000)
  await until(async () => expect(await fixture.nextOffset()).toBe(4))
  expect(await fixture.readAccounts()).toEqual(balances(15))
  expect(warnings).toContainEqual(expect.objectContaining({ fromOffset: 4, toOffset: 2 }))
  const stale = await metrics.registry.getSingleMetric('projection_row_cache_stale_total')?.get()
  expect(stale?.values).toEqual([])
})

async function replay(): Promise<void> {
  await sql`update evt.parked_key set drain_request = gen_random_uuid(),
    drain_requested_at = clock_timestamp(), drain_actor = 'ana',
    drain_reason = 'mended'`.execute(fixture.db)
}

test('a replay that the database has lost leaves the key parked: what comes next waits behind its letters', async () => {
  let isRefused = true
  const handle = accounts.on['Deposited']
  const refusing: FoldProjection = {
    ...accounts,
    on: {
      Deposited: (row, event, enriched) => {
        if (isRefused) throw new RangeError('the bank is closed')
        return handle?.(row, event, enriched) ?? row
      },
    },
  }
  fixture.start([refusing], { logger })
  await deposit(1)
  isRefused = false
  await backUp()
  await replay()
  await until(async () => expect(await fixture.letters()).toEqual([]))
  await restore()
  await deposit(2)
  expect(await fixture.letters()).toMatchObject([
    { offset: 0, kind: 'failed' },
    { offset: 1, kind: 'blocked' },
  ])
  await replay()
  await until(async () => expect(await fixture.readAccounts()).toEqual(balances(3)))
})
