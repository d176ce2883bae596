import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { retireUnused } from './retirement-keeper.ts'
import { promote, rollback } from './store/promote.ts'
import { retire } from './store/retire.ts'
import { readVersion } from './store/versions.ts'
import { accountId, accounts, deposited } from './testing/accounts.test-fixture.ts'
import { RebuildFixture, balances, until } from './testing/rebuild.test-fixture.ts'

const SWAP = { lagRecordsMax: 0, acceptParked: false, acceptLostEffects: false, timeoutMs: 9_000 }
const DAY_MS = 86_400_000
const AFTER_MS = 7 * DAY_MS

let fixture: RebuildFixture
let logged: { readonly level: string; readonly message: string; readonly reason?: string }[]

const silent = (): void => undefined
const logger = {
  info: (_fields: object, message: string) => void logged.push({ level: 'info', message }),
  warn: (fields: object, message: string) =>
    void logged.push({ level: 'warn', message, ...fields }),
}

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  logged = []
  fixture.log.append(0, deposited(accountId(0), 1))
  fixture.start([accounts, { ...accounts, version: 2 }])
  await fixture.hasState('accounts', 2, 'ready')
  await promote(fixture.db, { ...SWAP, name: 'accounts', version: 2 })
})

afterEach(async () => {
  vi.useRealTimers()
  await fixture.close()
})

const stateOf = async (version: number) =>
  (await readVersion(fixture.db, { name: 'accounts', version })).state

/** A round, so much time after the last promotion. */
async function roundAfter(passedMs: number, reasons = new Map<string, string>()): Promise<void> {
  await sql`
    update evt.projection
    set promoted_at = clock_timestamp() - make_interval(secs => ${passedMs / 1000})`.execute(
    fixture.db,
  )
  await round(reasons)
}

async function round(reasons = new Map<string, string>()): Promise<void> {
  const { projectionId } = await readVersion(fixture.db, { name: 'accounts', version: 2 })
  await retireUnused(
    { db: fixture.db, registered: [{ projectionId }], afterMs: AFTER_MS, logger },
    reasons,
  )
}

describe('a version that was live', () => {
  test('stays for a rollback until its time is over, and goes then', async () => {
    await roundAfter(AFTER_MS - DAY_MS)
    expect(await stateOf(1)).toBe('standby')
    await roundAfter(AFTER_MS + DAY_MS)
    expect([await stateOf(1), await stateOf(2)]).toEqual(['retired', 'live'])
    const { rows } = await sql`
      select from pg_namespace where nspname = 'rm_accounts_v1'`.execute(fixture.db)
    expect(rows).toEqual([])
    expect(logged).toMatchObject([{ level: 'info', message: expect.stringMatching(/is retired/) }])
  })

  test('has its time from the last promotion on', async () => {
    await sql`
      update evt.projection set promoted_at = now() - interval '30 days'`.execute(fixture.db)
    await rollback(fixture.db, { ...SWAP, name: 'accounts' })
    await promote(fixture.db, { ...SWAP, name: 'accounts', version: 2 })
    await round()
    expect([await stateOf(1), await stateOf(2)]).toEqual(['standby', 'live'])
  })

  test('stays where only the clock of the process says that its time is over', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30 * DAY_MS })
    await round()
    expect(await stateOf(1)).toBe('standby')
  })

  test('is not taken where there is a promotion between the look and the retirement', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30 * DAY_MS })
    const target = { name: 'accounts', version: 1, sincePromotionMinMs: AFTER_MS }
    await expect(retire(fixture.db, target)).rejects.toThrow(/the way back from a promotion/)
  })

  test('stays when it is later than the one that a rollback has shown again', async () => {
    await rollback(fixture.db, { ...SWAP, name: 'accounts' })
    await roundAfter(AFTER_MS + DAY_MS)
    expect([await stateOf(1), await stateOf(2)]).toEqual(['live', 'standby'])
  })

  test("stays while somebody's view reads its tables, which is told once", async () => {
    await sql`create view public.rich as select id from rm_accounts_v1.account`.execute(fixture.db)
    const reasons = new Map<string, string>()
    await roundAfter(AFTER_MS + DAY_MS, reasons)
    await roundAfter(AFTER_MS + DAY_MS, reasons)
    expect(await stateOf(1)).toBe('standby')
    expect(logged).toMatchObject([
      { level: 'warn', reason: expect.stringMatching(/^the view public.rich reads a table of/) },
    ])
  })
})

describe('a retired version that is still configured', () => {
  const BOTH = [accounts, { ...accounts, version: 2 }]

  /** Starts anew with them, and tells what is warned of. */
  async function restart(projections: Parameters<RebuildFixture['start']>[0]) {
    await fixture.stopAll()
    const warnings: string[] = []
    const warn = (_fields: object, message: string): number => warnings.push(message)
    const { failures } = fixture.start(projections, {
      logger: { debug: silent, info: silent, warn, error: silent },
    })
    return { failures, warnings }
  }

  test('is left out where a later one runs, and the rest goes on', async () => {
    await roundAfter(AFTER_MS + DAY_MS)
    const { failures, warnings } = await restart(BOTH)
    fixture.log.append(0, deposited(accountId(0), 1))
    await fixture.hasBalances('public', balances(2))
    expect(failures).toEqual([])
    expect(warnings).toContainEqual(expect.stringMatching(/left out, as it is retired/))
  })

  test('is left out where a rollback has made an earlier one live, and the rest goes on', async () => {
    await rollback(fixture.db, { ...SWAP, name: 'accounts' })
    await retire(fixture.db, { name: 'accounts', version: 2 })
    const { failures, warnings } = await restart(BOTH)
    fixture.log.append(0, deposited(accountId(0), 1))
    await until(() => expect([...failures, ...warnings]).not.toEqual([]))
    expect(failures).toEqual([])
    expect(warnings).toContainEqual(expect.stringMatching(/left out, as it is retired/))
    await fixture.hasBalances('public', balances(2))
  })

  test('ends the start where no other one of its projection is configured', async () => {
    await roundAfter(AFTER_MS + DAY_MS)
    const { failures } = await restart([accounts])
    await until(() => expect(failures).toHaveLength(1))
    expect(String(failures[0])).toMatch(/accounts v1 is retired: its tables are gone/)
  })
})
