import type { FoldProjection } from '@fairlead/projection'
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accounts } from '../testing/accounts.test-fixture.ts'
import { until } from '../testing/rebuild.test-fixture.ts'
import type { Database } from './database.ts'
import { Inbox } from './inbox.ts'
import { forgetIds, keepInboxTables } from './inbox-retention.ts'
import { registerProjection } from './register.ts'
import type { RegisteredProjection } from './registered-projection.ts'
import {
  type MigratedDatabase,
  migratedDatabase,
} from '../testing/migrated-database.test-fixture.ts'

const TOPIC = 'outbox.event.account'

const withInbox: FoldProjection = { ...accounts, inbox: { retentionMs: 3_600_000 } }

let database: MigratedDatabase
let db: Database
let registered: RegisteredProjection

beforeEach(async () => {
  database = await migratedDatabase()
  db = database.db
  registered = await registerProjection(db, withInbox)
})

afterEach(() => database.close())

/** A batch that has looked at the inbox, and commits when it is told to. */
function batchOf(inbox: Inbox) {
  const commit = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const done = db.transaction().execute(async (trx) => {
    await inbox.sortOut(trx, [])
    begun.resolve()
    await commit.promise
  })
  return { begun: begun.promise, commit: commit.resolve, done }
}

async function waitingCount(): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(db)
  return rows[0]?.count ?? 0
}

test('ids are forgotten however closely batches follow one another', async () => {
  const inbox = await Inbox.open(db, registered, TOPIC)
  const first = batchOf(inbox)
  await first.begun
  const forgotten = forgetIds(db, registered, TOPIC, Date.now())
  await until(async () => expect(await waitingCount()).toBe(1))
  const second = batchOf(inbox)
  // It is under way, or waits behind what the first one keeps waiting.
  await Promise.race([second.begun, until(async () => expect(await waitingCount()).toBe(2))])
  first.commit()
  await forgotten
  second.commit()
  await Promise.all([first.done, second.done])
})

test('a version that is retired while its worker begins keeps no ids of others', async () => {
  const { projectionId } = registered
  const retired = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const retiring = db.transaction().execute(async (trx) => {
    await sql`update evt.projection_version set state = 'retired'
      where projection_id = ${projectionId}`.execute(trx)
    begun.resolve()
    await retired.promise
  })
  await begun.promise
  const opening = Inbox.open(db, registered, TOPIC)
  // Whoever waits for it sees how it ends.
  opening.catch(() => undefined)
  await until(async () => expect(await waitingCount()).toBe(1))
  retired.resolve()
  await retiring
  await expect(opening).rejects.toThrow('is retired')
  expect((await sql`select from evt.inbox_consumer`.execute(db)).rows).toEqual([])
})

test('a batch knows what was forgotten while it waited', async () => {
  const inbox = await Inbox.open(db, registered, TOPIC)
  const first = batchOf(inbox)
  await first.begun
  const forgotten = forgetIds(db, registered, TOPIC, Date.now())
  await until(async () => expect(await waitingCount()).toBe(1))
  const record = {
    topic: TOPIC,
    partition: 0,
    offset: 0,
    timestampMs: Date.now() - 1_000,
    key: Buffer.from('a'),
    value: Buffer.from('1'),
    headers: [['id', Buffer.from('order 5')] as const],
  }
  const content = { kind: 'ignored' } as const
  const prepared = { record, key: 'a', tenant: '', eventType: null, source: null, content }
  const second = db.transaction().execute((trx) => inbox.sortOut(trx, [prepared]))
  await until(async () => expect(await waitingCount()).toBe(2))
  first.commit()
  await forgotten
  const { records } = await second
  expect(records.map((each) => each.content.kind)).toEqual(['undecodable'])
})

async function tablesOfInbox(): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_class
    where relnamespace = 'evt'::regnamespace and relkind = 'r' and relname like 'inbox%'
    order by 1`.execute(db)
  return rows.map(({ name }) => name)
}

const keep = (): Promise<void> =>
  db.connection().execute((connection: Kysely<unknown>) => keepInboxTables(connection))

test('a day that was detached by a process which then died is dropped', async () => {
  await keep()
  const before = await tablesOfInbox()
  await sql`create table evt.inbox_20260101 (like evt.inbox including all)`.execute(db)
  await sql`create table evt.inbox_notes (id int)`.execute(db)
  await keep()
  expect(await tablesOfInbox()).toEqual([...before, 'inbox_notes'].toSorted())
})

test('a day of which the detachment was interrupted is detached, and dropped', async () => {
  await keep()
  const before = await tablesOfInbox()
  await sql`create table evt.inbox_20260101 (like evt.inbox including all)`.execute(db)
  await sql`
    alter table evt.inbox attach partition evt.inbox_20260101 for values
      from (${sql.lit('019b75bf-8000-0000-0000-000000000000')})
      to (${sql.lit('019b7ae6-8000-0000-0000-000000000000')})`.execute(db)
  const reading = Promise.withResolvers<void>()
  const reader = db.transaction().execute(async (trx) => {
    await sql`select from evt.inbox`.execute(trx)
    await reading.promise
  })
  const kept = keep().catch((error: unknown) => error)
  await until(async () => expect(await waitingCount()).toBe(1))
  await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(db)
  expect(await kept).toBeInstanceOf(Error)
  reading.resolve()
  await reader
  await keep()
  expect(await tablesOfInbox()).toEqual(before)
})
