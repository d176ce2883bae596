import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { retireUnused } from './retirement-keeper.ts'
import { promote, rollback } from './store/promote.ts'
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

afterEach(() => fixture.close())

const stateOf = async (version: number) =>
  (await readVersion(fixture.db, { name: 'accounts', version })).state

/** A round of a process whose clock says that so much time has passed. */
async function roundAfter(passedMs: number, reasons = new Map<string, string>()): Promise<void> {
  const { projectionId } = await readVersion(fixture.db, { name: 'accounts', version: 2 })
  await retireUnused(
    {
      db: fixture.db,
      registered: [{ projectionId }],
      afterMs: AFTER_MS,
      logger,
      wallMs: () => Date.now() + passedMs,
    },
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

  test('is live again after a rollback, and the one that was tried has its time from then on', async () => {
    await sql`
      update evt.projection set promoted_at = now() - interval '30 days'`.execute(fixture.db)
    await rollback(fixture.db, { ...SWAP, name: 'accounts' })
    await roundAfter(0)
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

test('a retired version is left out where a later one runs, and the rest goes on', async () => {
  await roundAfter(AFTER_MS + DAY_MS)
  await fixture.stopAll()
  const warnings: string[] = []
  const warn = (_fields: object, message: string): number => warnings.push(message)
  const { failures } = fixture.start([accounts, { ...accounts, version: 2 }], {
    logger: { debug: silent, info: silent, warn, error: silent },
  })
  fixture.log.append(0, deposited(accountId(0), 1))
  await until(async () => expect(await fixture.balancesIn('public')).toEqual(balances(2)))
  expect(failures).toEqual([])
  expect(warnings).toContainEqual(expect.stringMatching(/left out, as it is retired/))
})
