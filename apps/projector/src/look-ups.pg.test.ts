import { setImmediate } from 'node:timers/promises'
import { OperationalError } from '@fairlead/base'
import type { FoldProjection } from '@fairlead/projection'
import { sql } from 'kysely'
import { Pool } from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findVersion, requestReplay } from './store/letter-orders.ts'
import { readVersion } from './store/versions.ts'
import { accountId, accounts, deposited, totals } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, until } from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

type EnrichEach = NonNullable<FoldProjection['enrichEach']>

/** Notes what was looked up for the last event of an account. */
function noting(enrichEach: EnrichEach): FoldProjection {
  return {
    ...accounts,
    concurrency: 4,
    enrichEach,
    on: {
      Deposited: (row, { data, at }, note) => ({
        ...row,
        balance: Number(row['balance']) + (data as { readonly amount: number }).amount,
        note: note as string,
        last_at: at,
      }),
    },
  }
}

const hasCome = (offset: number) =>
  until(async () => expect(await fixture.nextOffset()).toBe(offset))

async function rowsIn(schema: string): Promise<readonly (readonly [number, string | null])[]> {
  const { rows } = await sql<{ balance: number; note: string | null }>`
    select balance, note from ${sql.table(`${schema}.account`)} order by id`.execute(fixture.db)
  return rows.map(({ balance, note }) => [balance, note])
}

test('look-ups of several keys run at the same time, in a lane each, and none in a transaction', async () => {
  const running: string[] = []
  const most: number[] = []
  const gate = Promise.withResolvers<void>()
  const projection = noting(async ({ key, source }) => {
    expect(running).not.toContain(key)
    running.push(key)
    most.push(running.length)
    await gate.promise
    running.splice(running.indexOf(key), 1)
    return `looked up at ${source.offset}`
  })
  fixture.log.append(0, ...[1, 2, 3, 1, 4, 5, 6, 1].map((each) => deposited(accountId(each), 1)))
  fixture.start([projection])
  await until(() => expect(running).toHaveLength(4))
  // What else the projector does has transactions, and they end.
  await until(async () => {
    const { rows } = await sql`
      select from pg_stat_activity where state like 'idle in transaction%'
        and datname = current_database()`.execute(fixture.db)
    expect(rows).toEqual([])
  })
  gate.resolve()
  await hasCome(8)
  expect(Math.max(...most)).toBe(4)
  expect(await rowsIn('public')).toEqual([
    [3, 'looked up at 7'],
    ...[1, 2, 4, 5, 6].map((offset) => [1, `looked up at ${offset}`]),
  ])
})

test('an event whose look-up fails parks its key; what is asked again are failures alone', async () => {
  const asked: number[] = []
  const projection = noting(({ key, source }) => {
    asked.push(source.offset)
    if (key === accountId(2)) throw new RangeError('nobody knows account 2')
    return 'known'
  })
  const retry = { retries: 1, baseMs: 1, maxMs: 1 }
  fixture.log.append(0, ...[1, 2, 3, 2].map((each) => deposited(accountId(each), 1)))
  fixture.start([{ ...projection, retry }])
  await hasCome(4)
  expect(await rowsIn('public')).toEqual([
    [1, 'known'],
    [1, 'known'],
  ])
  expect(await fixture.letters()).toMatchObject([
    { offset: 1, kind: 'failed', stage: 'handle', error: 'RangeError' },
    { offset: 3, kind: 'blocked' },
  ])
  expect(asked.filter((offset) => offset === 0 || offset === 2)).toEqual([0, 2])
})

test('a peer that is away pauses the partition, and parks nothing', async () => {
  let isAway = true
  const projection = noting(() => {
    if (isAway) throw new OperationalError('away', { code: 'ECONNREFUSED', retryable: true })
    return 'back'
  })
  fixture.log.append(0, deposited(accountId(1), 5))
  const { projector, health } = fixture.start([projection])
  await until(() => {
    expect([...health.values()]).toContainEqual(expect.stringMatching(/partition 0 paused: away/))
  })
  expect(projector.registered).toHaveLength(1)
  isAway = false
  await hasCome(1)
  expect(await rowsIn('public')).toEqual([[5, 'back']])
  expect(await fixture.letters()).toEqual([])
})

test('a look-up that no connection of its pool is free for pauses the partition', async () => {
  const pool = new Pool({ connectionString: fixture.url, max: 1, connectionTimeoutMillis: 1_000 })
  pool.on('error', () => undefined)
  const only = await pool.connect()
  const projection = noting(async () => {
    const { rows } = await pool.query<{ note: string }>(`select 'known' as note`)
    return rows[0]?.note
  })
  fixture.log.append(0, deposited(accountId(1), 1))
  const { health } = fixture.start([projection])
  await until(() =>
    expect(health.get('projection accounts v1')).toMatch(/^partition 0 paused: timeout exceeded/),
  )
  only.release()
  await hasCome(1)
  expect(await fixture.letters()).toEqual([])
  expect(await rowsIn('public')).toEqual([[1, 'known']])
  await fixture.stopAll()
  await pool.end()
})

test('a projector that stops waits for no look-up, and the next one, and a rebuild, apply each event once', async () => {
  const asked: string[] = []
  let isStuck = true
  const projection = noting(({ key }) => {
    asked.push(key)
    return isStuck ? new Promise(() => undefined) : 'answered'
  })
  fixture.log.append(0, ...[1, 2, 1].map((each) => deposited(accountId(each), 1)))
  const { failures } = fixture.start([projection])
  await until(() => expect(asked).toHaveLength(2))
  await fixture.stopAll()
  expect(failures).toEqual([])
  expect(await fixture.nextOffset()).toBe(0)
  isStuck = false
  fixture.start([projection, { ...projection, version: 2 }])
  await hasCome(3)
  expect(await rowsIn('public')).toEqual([
    [2, 'answered'],
    [1, 'answered'],
  ])
  await until(async () => {
    const { state } = await readVersion(fixture.db, { name: 'accounts', version: 2 })
    expect(state).toBe('ready')
  })
  expect(await rowsIn('rm_accounts_v2')).toEqual(await rowsIn('public'))
})

test('a projector that stops waits for no look-up of a replay, and begins none', async () => {
  const asked: number[] = []
  const answer = Promise.withResolvers<string>()
  let isStuck = false
  const projection = noting(({ source }) => {
    asked.push(source.offset)
    if (isStuck) return answer.promise
    throw new RangeError('nobody knows the account')
  })
  fixture.log.append(0, deposited(accountId(1), 1), deposited(accountId(1), 2))
  const { failures } = fixture.start([projection])
  await until(async () => expect(await fixture.letters()).toHaveLength(2))
  asked.length = 0
  isStuck = true
  const version = await findVersion(fixture.db, 'accounts', undefined)
  await requestReplay(fixture.db, version, { by: 'all' }, { actor: 'ana', reason: 'it is known' })
  await until(() => expect(asked).toEqual([0]))
  await fixture.stopAll()
  expect(failures).toEqual([])
  answer.resolve('late')
  await setImmediate()
  expect(asked).toEqual([0])
})

test('handlers in SQL are given what was looked up for their event', async () => {
  const seen: unknown[] = []
  fixture.log.append(0, deposited('monday', 1), deposited('tuesday', 2))
  fixture.start([
    {
      ...totals,
      concurrency: 2,
      enrichEach: ({ key }) => `of ${key}`,
      on: {
        Deposited: async (_event: unknown, { enriched }: { readonly enriched: unknown }) => {
          seen.push(enriched)
        },
      },
    },
  ])
  await hasCome(2)
  expect(seen).toEqual(['of monday', 'of tuesday'])
})

test.for([
  { where: 'enrich', projection: { ...accounts, enrich: () => new Promise(() => undefined) } },
  {
    where: 'a handler',
    projection: { ...totals, on: { Deposited: () => new Promise<never>(() => undefined) } },
  },
])(
  'a transaction that waits in $where for what never comes is given up, and told',
  async ({ projection }) => {
    fixture.log.append(0, deposited(accountId(1), 1))
    const { health } = fixture.start([projection])
    await until(() =>
      expect(health.get(`projection ${projection.name} v1`)).toMatch(
        /^partition 0 paused: .*waited for something else than the database/,
      ),
    )
    expect(await fixture.letters()).toEqual([])
  },
)
