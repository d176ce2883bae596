import { fileURLToPath } from 'node:url'
import { migrate } from '@fairlead/postgres'
import { type CommitFate, CutOffProxy } from '@fairlead/testing'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountId, accounts, deposited } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, balances, until } from './testing/one-topic.test-fixture.ts'

const MIGRATIONS = fileURLToPath(new URL('../../../sql/migrations', import.meta.url))

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

describe('a connection that is cut at a commit', () => {
  test.for(['lost', 'unanswered'] as const)(
    'counts no event twice, and none never: %s',
    async (fate) => {
      // Every third commit of the migrations, too, would be a back-off for each of them.
      await migrate({ url: fixture.url, directory: MIGRATIONS })
      const proxy = await CutOffProxy.inFrontOf(fixture.url)
      // The migrations are not what this is about: each of them is a transaction, too.
      const first = fixture.start([accounts], { batchRecordsMax: 1 })
      await until(() => expect(first.health.get('database')).toBe(true))
      await first.projector.stop()
      const eventCount = 60
      for (let index = 0; index < eventCount; index += 1) {
        fixture.log.append(0, deposited(accountId(index % 4), 1))
      }
      let commits = 0
      proxy.fateOfCommit = (): CommitFate => {
        commits += 1
        return commits % 3 === 0 ? fate : 'delivered'
      }
      fixture.startAt(proxy.url, [accounts], { batchRecordsMax: 5 })
      await until(async () => expect(await fixture.nextOffset()).toBe(eventCount))

      expect(await fixture.readAccounts()).toEqual(balances(15, 15, 15, 15))
      expect(await fixture.letters()).toEqual([])
      expect(commits).toBeGreaterThan(12)
      await fixture.stopAll()
      await proxy.close()
    },
  )
})

test('a database that is down pauses the projection, which loses and parks nothing', async () => {
  const proxy = await CutOffProxy.inFrontOf(fixture.url)
  fixture.log.append(0, deposited(accountId(0), 1))
  const { health } = fixture.startAt(proxy.url, [accounts])
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  expect(health.get('projection accounts v1')).toBe(true)

  proxy.down()
  fixture.log.append(0, deposited(accountId(0), 2))
  await until(() => expect(health.get('projection accounts v1')).toMatch(/^partition 0 paused: /))
  // A process that has no partitions says it, too.
  await until(() => expect(health.get('database')).toEqual(expect.any(String)))
  proxy.up()
  await until(async () => expect(await fixture.nextOffset()).toBe(2))
  await until(() => expect(health.get('database')).toBe(true))
  expect(await fixture.readAccounts()).toEqual(balances(3))
  expect(await fixture.letters()).toEqual([])
  await until(() => expect(health.get('projection accounts v1')).toBe(true))
  await fixture.stopAll()
  await proxy.close()
})

test('a database that gives no transaction an id, until it is vacuumed, pauses the projection', async () => {
  const { db, log } = fixture
  log.append(0, deposited(accountId(0), 1))
  const { health } = fixture.start([accounts])
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  await sql`create function no_id() returns trigger language plpgsql as $$ begin
    raise exception 'not accepting commands that assign new transaction IDs' using errcode = '54000';
  end $$`.execute(db)
  await sql`create trigger no_id before update on evt.checkpoint
    for each statement execute function no_id()`.execute(db)

  log.append(0, deposited(accountId(0), 2))
  await until(() => expect(health.get('projection accounts v1')).toMatch(/^partition 0 [a-z]+: /))
  expect(health.get('projection accounts v1')).toMatch(/^partition 0 paused: not accepting/)
  await sql`drop trigger no_id on evt.checkpoint`.execute(db)
  await until(async () => expect(await fixture.nextOffset()).toBe(2))
  expect(await fixture.letters()).toEqual([])
})

test('a registry that is away pauses the projection', async () => {
  const { serde, health } = fixture.start([accounts])
  serde.isRegistryAway = true
  fixture.log.append(0, deposited(accountId(0), 1))
  await until(() => expect(health.get('projection accounts v1')).toMatch(/the registry is away/))
  serde.isRegistryAway = false
  await until(async () => expect(await fixture.readAccounts()).toEqual(balances(1)))
  expect(await fixture.letters()).toEqual([])
})

test('a checkpoint that the log no longer has stops the partition', async () => {
  fixture.log.append(0, deposited(accountId(0), 1))
  const first = fixture.start([accounts])
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  await first.projector.stop()

  fixture.log.logStartOffset = 10
  const { health } = fixture.start([accounts])
  await until(() => expect(health.get('projection accounts v1')).toMatch(/faulted: .*retention/))
})
