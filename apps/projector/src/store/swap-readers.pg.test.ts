import type { FoldProjection } from '@fairlead/projection'
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accountId, accounts, deposited } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, until } from '../testing/rebuild.test-fixture.ts'
import { type Database, openDatabase } from './database.ts'
import { promote, rollback } from './promote.ts'

const READERS = 6
const SWAPS = 2
const ASKED = {
  name: 'accounts',
  lagRecordsMax: 0,
  acceptParked: false,
  acceptLostEffects: false,
  timeoutMs: 60_000,
}

let fixture: RebuildFixture
let readerDb: Database

beforeEach(async () => {
  fixture = await RebuildFixture.open()
  readerDb = openDatabase({ url: fixture.url, connectionsMax: READERS })
})

afterEach(async () => {
  await readerDb.destroy()
  await fixture.close()
})

async function balanceOf(db: Kysely<unknown>): Promise<number> {
  const { rows } = await sql<{ balance: number }>`
    select balance from public.account where id = ${accountId(0)}::uuid`.execute(db)
  const [row] = rows
  if (row === undefined) throw new Error('the row is gone')
  return row.balance
}

/** Reads without any pause, so that some reader has the view at any time; fails when it sees less than before. */
async function keepReading(seen: { balance: number }, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await readerDb.transaction().execute(async (trx) => {
      for (let read = 0; read < 2; read += 1) {
        const atLeast = seen.balance
        const balance = await balanceOf(trx)
        expect(balance).toBeGreaterThanOrEqual(atLeast)
        seen.balance = Math.max(seen.balance, balance)
      }
    })
  }
}

/** One event behind the other, as soon as readers see the one before. */
async function keepDepositing(seen: { readonly balance: number }, signal: AbortSignal) {
  for (let count = 2; !signal.aborted; count += 1) {
    fixture.log.append(0, deposited(accountId(0), 1))
    await until(() => expect(signal.aborted || seen.balance >= count).toBe(true))
  }
}

const { id, balance, ...others } = accounts.table.columns as { id: string; balance: string }

test.for<{ what: string; columns: FoldProjection['table']['columns'] }>([
  { what: 'the same columns', columns: accounts.table.columns },
  { what: 'columns in another order', columns: { balance, ...others, id } },
])(
  'readers without a pause are never taken back by swaps of versions with $what',
  async ({ columns }) => {
    const second: FoldProjection = {
      ...accounts,
      version: 2,
      table: { ...accounts.table, columns },
    }
    fixture.log.append(0, deposited(accountId(0), 1))
    fixture.start([accounts, second])
    await fixture.hasState('accounts', 2, 'ready')
    await fixture.hasBalances('public', [[accountId(0), 1]])
    const seen = { balance: 1 }
    const abort = new AbortController()
    const { signal } = abort
    const traffic = Promise.all([
      keepDepositing(seen, signal),
      ...Array.from({ length: READERS }, () => keepReading(seen, signal)),
    ])
    const hasSeen = async () => {
      const before = seen.balance
      await Promise.race([traffic, until(() => expect(seen.balance).toBeGreaterThan(before + 2))])
    }
    try {
      for (let swap = 0; swap < SWAPS; swap += 1) {
        await hasSeen()
        await promote(fixture.db, { ...ASKED, version: 2 })
        await hasSeen()
        await rollback(fixture.db, ASKED)
      }
      await hasSeen()
    } finally {
      abort.abort()
    }
    await traffic
  },
)
