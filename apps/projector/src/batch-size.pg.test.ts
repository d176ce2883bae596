import type { SqlProjection } from '@fairlead/projection'
import type { Metrics } from '@fairlead/service'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accountId, accounts, deposited, totals } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, errorsOf, until } from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

test('of a batch that is too large, half is tried, however little of it the projection handles', async () => {
  const sources = accounts.sources.map(({ definitions, ...source }) => ({
    ...source,
    definitions: {
      ...definitions,
      Closed: { type: 'record', name: 'Closed', fields: [] } as const,
    },
  }))
  fixture.log.append(0, deposited(accountId(0), 1))
  fixture.start([{ ...accounts, sources }])
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  await fixture.stopAll()
  await sql`create function refuse_many() returns trigger language plpgsql as $$ begin
    if (select count(*) from written) > 2 then
      raise exception 'too many rows' using errcode = '55P03';
    end if;
    return null;
  end $$`.execute(fixture.db)
  await sql`create trigger few after insert on rm_accounts_v1.account
    referencing new table as written for each statement execute function refuse_many()`.execute(
    fixture.db,
  )

  const headers = [['eventType', Buffer.from('Closed')]] as const
  const closed = { ...deposited(accountId(0), 1), headers }
  const everyTenth = (index: number) => (index % 10 === 0 ? deposited(accountId(index), 1) : closed)
  fixture.log.append(0, ...Array.from({ length: 40 }, (_, index) => everyTenth(index + 10)))
  const { metrics } = fixture.start([{ ...accounts, sources }])
  await until(async () => expect(await fixture.nextOffset()).toBe(41))
  expect(await fixture.readAccounts()).toHaveLength(5)
  expect(await errorsOf(metrics, 'contention')).toBe(3)
})

/** Transactions of batches so far. */
async function batchCount({ registry }: Metrics): Promise<number> {
  const text = await registry.getSingleMetricAsString('projection_batch_size')
  return Number(/^projection_batch_size_count\S* (\d+)$/m.exec(text)?.[1] ?? 0)
}

test('statements that take long are fewer in the next transaction', async () => {
  const slow: SqlProjection = {
    ...totals,
    on: {
      Deposited: async (_event, { trx }) => void (await sql`select pg_sleep(0.05)`.execute(trx)),
    },
  }
  const append = (count: number) =>
    fixture.log.append(0, ...Array.from({ length: count }, () => deposited(accountId(0), 1)))
  append(50)
  const { metrics } = fixture.start([slow])
  await until(async () => expect(await batchCount(metrics)).toBe(1))
  append(50)
  await until(async () => expect(await fixture.nextOffset()).toBe(100))
  await until(async () => expect(await batchCount(metrics)).toBeGreaterThan(2))
})
