import type { SqlProjection } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deposited, totals } from '../testing/accounts.test-fixture.ts'
import { RebuildFixture, until } from '../testing/rebuild.test-fixture.ts'
import { promote } from './promote.ts'

let fixture: RebuildFixture

beforeEach(async () => {
  fixture = await RebuildFixture.open()
})

afterEach(() => fixture.close())

/** Notes down the offsets of events of which it had the effects. */
const noting = (version: number, noted: number[]): SqlProjection => ({
  ...totals,
  version,
  on: {
    Deposited: async (event, context) => {
      await totals.on['Deposited']?.(event, context)
      context.liveOnly(async () => void noted.push(event.source.offset))
    },
  },
})

test('a batch that waits for a swap has the effects that are its version’s behind it', async () => {
  const noted: number[] = []
  const [first, second] = [noting(1, noted), noting(2, [])]
  fixture.log.append(0, deposited('day', 1))
  fixture.start([first, second])
  await fixture.hasState('totals', 2, 'ready')
  await until(() => expect(noted).toEqual([0]))
  await fixture.stopAll()
  fixture.start([first])
  const { db } = fixture
  fixture.log.append(0, deposited('day', 1))
  await until(() => expect(noted).toEqual([0, 1]))

  // Views come last in a swap.
  await sql`create table public.may_end ()`.execute(db)
  await sql`
    create function wait_for_end() returns event_trigger language plpgsql as $$ begin
      while not exists (select from public.may_end) loop perform pg_sleep(0.01); end loop;
    end $$;
    create event trigger hold_swap on ddl_command_end when tag in ('CREATE VIEW')
      execute function wait_for_end()`.execute(db)
  const swapping = promote(db, {
    name: 'totals',
    version: 2,
    // The other version does not run.
    lagRecordsMax: 1,
    acceptParked: false,
    acceptLostEffects: false,
    timeoutMs: 0,
  })
  const waiting = (what: string) =>
    until(async () => {
      const { rows } = await sql`
        select from pg_stat_activity where datname = current_database()
          and wait_event = ${what}`.execute(db)
      expect(rows).toHaveLength(1)
    })
  await waiting('PgSleep')
  fixture.log.append(0, deposited('day', 1))
  await waiting('advisory')
  await sql`insert into public.may_end default values`.execute(db)
  await swapping
  await until(async () => {
    const { rows } = await sql`
      select from evt.checkpoint where version = 1 and part = 0 and next_offset = 3`.execute(db)
    expect(rows).toHaveLength(1)
  })
  await fixture.stopAll()
  expect(noted).toEqual([0, 1])
})
