import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { accountId, deposited, totals } from './testing/accounts.test-fixture.ts'
import { OneTopicFixture, errorsOf, until } from './testing/one-topic.test-fixture.ts'
import type { TestProjector } from './testing/projector.test-fixture.ts'

/** What docs/projections-dead-letters.md says of SQLSTATEs, by statements of a handler that fail with them. */
const INFRA =
  '08000 08006 28000 28P01 3D000 25006 53000 53100 53300 57P01 57P02 57P03 58000 58030 HV00N XX000'
const CONTENTION = '40001 40P01 55P03 57014 25P04'
const SCHEMA = '42P01 42703 42804 0A000 3F000 55000 HV00R'
const DATA = '21000 22003 22P02 23502 23505 23514 23P01 44000 54000 P0001'
const CHECK = 'projection totals v1'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
  fixture.log.append(0, deposited(accountId(0), 1))
  await restart()
  await vi.waitUntil(async () => (await fixture.nextOffset()) === 1, { timeout: 60_000 })
  await sql`create table fault (code text)`.execute(fixture.db)
  await sql`create function fail() returns trigger language plpgsql as $$
    declare wanted text := (select code from public.fault);
    begin
      if wanted is not null then raise exception 'fails with %', wanted using errcode = wanted; end if;
      return new;
    end $$`.execute(fixture.db)
  await sql`create trigger fail before insert on rm_totals_v1.day_total
    for each row execute function fail()`.execute(fixture.db)
})

afterEach(() => fixture.close())

async function restart(): Promise<TestProjector> {
  await fixture.stopAll()
  const started = fixture.start([totals])
  await until(() => expect(started.health.get(CHECK)).toBe(true))
  return started
}

async function failWith(code: string | null): Promise<void> {
  await sql`delete from fault`.execute(fixture.db)
  if (code !== null) await sql`insert into fault values (${code})`.execute(fixture.db)
}

/** What undoes a failure that waits: the batch passes, and nothing is parked. */
async function passesOnce(codes: string, isTold: (code: string) => Promise<void> | void) {
  for (const [index, code] of codes.split(' ').entries()) {
    await failWith(code)
    fixture.log.append(0, deposited(accountId(0), 1))
    await until(() => isTold(code))
    await failWith(null)
    await until(async () => expect(await fixture.nextOffset()).toBe(index + 2))
  }
  expect(await fixture.letters()).toEqual([])
}

test('a server that cannot serve pauses the partition, until it can', async () => {
  const { health } = await restart()
  await passesOnce(INFRA, (code) => {
    expect(health.get(CHECK)).toMatch(new RegExp(`^partition 0 paused: .*fails with ${code}`))
  })
})

test('a transaction that others are in the way of is tried again', async () => {
  const { health, metrics } = await restart()
  let countBefore = 0
  await passesOnce(CONTENTION, async () => {
    const count = await errorsOf(metrics, 'contention')
    // Thrice, and the batch is halved, but never set aside.
    expect(count).toBeGreaterThan(countBefore + 3)
    countBefore = count
    expect(health.get(CHECK)).toBe(true)
  })
})

test.for(SCHEMA.split(' '))('%s stops the projection', async (code) => {
  await failWith(code)
  const { health } = await restart()
  fixture.log.append(0, deposited(accountId(0), 1))
  await until(() => expect(health.get(CHECK)).toMatch(/^partition 0 faulted: .*fails with/))
  expect(await fixture.nextOffset()).toBe(1)
  expect(await fixture.letters()).toEqual([])
})

test('the key of an event that the table refuses is parked', async () => {
  const codes = DATA.split(' ')
  for (const [index, code] of codes.entries()) {
    await failWith(code)
    fixture.log.append(0, deposited(accountId(index + 1), 1))
    await until(async () => expect(await fixture.nextOffset()).toBe(index + 2))
  }
  expect(await fixture.letters()).toMatchObject(
    codes.map((code) => ({ kind: 'failed', stage: 'handle', code })),
  )
})
