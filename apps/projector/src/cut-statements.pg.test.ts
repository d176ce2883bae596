import {
  type CommutativeProjection,
  type FoldProjection,
  type Projection,
  type SqlProjection,
  defineProjection,
  tables,
} from '@fairlead/projection'
import { CutOffProxy } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { AccountEvents, deposited } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, until } from './testing/one-topic.test-fixture.ts'

type DB = { sum: { id: string; amount: number } }

/** More than any batch or drain of these takes. */
const STATEMENTS_MAX = 100
/** From the beginning of a transaction to its commit, at the least. */
const STATEMENTS_MIN = 5
const MENDED_AMOUNT = 16
const COLUMNS = { id: 'text', amount: 'integer' } as const
const t = tables<DB>()
const header = { name: 'sums', version: 1, from: AccountEvents } as const

let fixture: OneTopicFixture
let proxy: CutOffProxy
let isCured: boolean

beforeEach(async () => {
  isCured = false
  fixture = await OneTopicFixture.open()
  proxy = await CutOffProxy.inFrontOf(fixture.url)
})

afterEach(async () => {
  await fixture.close()
  await proxy.close()
})

function amountOf({ data: { amount } }: { readonly data: { readonly amount: number } }): number {
  if (amount > 0) return amount
  if (!isCured) throw new RangeError('nothing deposited')
  return MENDED_AMOUNT
}

const fold: FoldProjection = defineProjection({ ...header, into: t('sum', 'id', COLUMNS) }).fold({
  initial: (id) => ({ id, amount: 0 }),
  on: { Deposited: (row, event) => ({ ...row, amount: row.amount + amountOf(event) }) },
})

const commutative: CommutativeProjection = defineProjection({
  ...header,
  into: t('sum', 'id', COLUMNS),
}).commutative({
  columns: { amount: 'inc' },
  on: { Deposited: (event) => ({ amount: amountOf(event) }) },
})

const inSql: SqlProjection = defineProjection({ ...header, schema: t }).sql({
  migrate: (db) =>
    db.schema
      .createTable('sum')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('amount', 'integer', (column) => column.notNull())
      .execute(),
  on: {
    Deposited: async (event, { trx }) => {
      await sql`insert into sum values (${event.key}, ${amountOf(event)})
        on conflict (id) do update set amount = sum.amount + excluded.amount`.execute(trx)
    },
  },
})

/**
 * Ends the session behind the statement with this number of the next transaction: it is done, and nobody hears of it.
 * Answers whether the transaction has that many.
 */
function cutBehind(number: number): { readonly hasCut: () => boolean } {
  let count = 0
  let isCounting = false
  const fate = () => {
    count += 1
    return count === number ? 'unanswered' : 'delivered'
  }
  proxy.fateOfRequest = ({ isBegin }) => {
    isCounting ||= isBegin && count === 0
    return isCounting ? fate() : 'delivered'
  }
  proxy.fateOfCommit = () => {
    if (!isCounting) return 'delivered'
    isCounting = false
    return fate()
  }
  return { hasCut: () => count >= number }
}

async function amounts(): Promise<Readonly<Record<string, number>>> {
  const { rows } = await sql<DB['sum']>`select id, amount from public.sum`.execute(fixture.db)
  return Object.fromEntries(rows.map(({ id, amount }) => [id, amount]))
}

async function parkedKeys(): Promise<readonly string[]> {
  const { rows } = await sql<{ key: string }>`
    select key from evt.parked_key order by parked_at`.execute(fixture.db)
  return rows.map(({ key }) => key)
}

/** One batch. Amounts of a key add up to another sum when one is lost, or comes twice. */
function appendRound(round: number): void {
  const events: readonly (readonly [string, number])[] = [
    [`poison-${round}`, 1],
    [`poison-${round}`, 0],
    [`good-${round}`, 2],
    [`poison-${round}`, 4],
  ]
  const records = events.map(([key, amount]) =>
    deposited(key, amount, [['id', Buffer.from(`${key} ${amount}`)]]),
  )
  fixture.log.append(0, ...records)
}

async function isAtEnd(): Promise<void> {
  await until(async () => {
    expect(await fixture.nextOffset()).toBe(fixture.log.recordsOf(0).length)
  })
}

const requestReplay = (key: string) =>
  sql`update evt.parked_key set drain_request = gen_random_uuid(),
    drain_requested_at = clock_timestamp(), drain_actor = 'ana', drain_reason = 'a test'
    where key = ${key}`.execute(fixture.db)

const FORMS: Readonly<Record<string, Projection>> = {
  fold,
  'fold with an inbox': { ...fold, inbox: { retentionMs: 3_600_000 } },
  SQL: inSql,
  commutative,
}

test.for(Object.keys(FORMS))(
  'a session that ends behind any statement of a batch or a drain: each event counts once (%s)',
  async (form) => {
    fixture.startAt(proxy.url, [FORMS[form] as Projection], { parkedKeysPerMinuteMax: 1_000 })
    const expected: Record<string, number> = {}
    for (let round = 1; round <= STATEMENTS_MAX; round += 1) {
      const { hasCut } = cutBehind(round)
      appendRound(round)
      await isAtEnd()
      expected[`good-${round}`] = 2
      expected[`poison-${round}`] = 1
      if (!hasCut()) break
    }
    expect(await amounts()).toEqual(expected)
    const keys = await parkedKeys()
    expect(keys.length).toBeGreaterThan(STATEMENTS_MIN)
    expect(await fixture.letters()).toHaveLength(2 * keys.length)

    isCured = true
    for (const [index, key] of keys.entries()) {
      cutBehind(index + 1)
      await requestReplay(key)
      await until(async () => expect(await parkedKeys()).not.toContain(key))
      expected[key] = 1 + MENDED_AMOUNT + 4
    }
    expect(await fixture.letters()).toEqual([])
    expect(await amounts()).toEqual(expected)
  },
)
