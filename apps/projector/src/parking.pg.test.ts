import { partitionOfKey } from '@fairlead/kafka'
import type { AnyEvent, Row, SqlProjection } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountId, accounts, deposited, totals } from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import { OneTopicFixture, TOPIC, errorsOf, until } from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

/** By how it is distributed over so many partitions. */
function keyThat(isWanted: (partitionOf: (count: number) => number) => boolean): string {
  for (let index = 0; ; index += 1) {
    const key = `key-${index}`
    if (isWanted((count) => partitionOfKey(Buffer.from(key), count))) return key
  }
}

describe('a poison event in the middle of a batch', () => {
  const amounts = [1, 2, 0, 4, 5]
  const appendAll = (): void =>
    fixture.log.append(0, ...amounts.map((amount, index) => deposited(accountId(index), amount)))
  const amountOf = ({ data }: AnyEvent): number => (data as { readonly amount: number }).amount

  test('costs a fold no second pass: the others are committed with its letter', async () => {
    const handled: number[] = []
    const deposit = (row: Row, event: AnyEvent): Row => {
      handled.push(amountOf(event))
      if (amountOf(event) === 0) throw new RangeError('nothing deposited')
      return { ...row, balance: Number(row['balance']) + amountOf(event) }
    }
    appendAll()
    fixture.start([{ ...accounts, on: { Deposited: deposit } }])
    await until(async () => expect(await fixture.nextOffset()).toBe(5))
    expect(handled).toEqual(amounts)
    expect(await fixture.readAccounts()).toHaveLength(4)
    expect(await fixture.letters()).toMatchObject([{ offset: 2, kind: 'failed' }])
  })

  test('costs SQL one: the first finds out that there is one, and changes nothing', async () => {
    const handled: number[] = []
    const handle = totals.on['Deposited']
    const counting: SqlProjection = {
      ...totals,
      on: {
        Deposited: async (event, context) => {
          handled.push(amountOf(event))
          await handle?.(event, context)
        },
      },
    }
    appendAll()
    fixture.start([counting])
    await until(async () => expect(await fixture.nextOffset()).toBe(5))
    expect(handled).toEqual([1, 2, 0, ...amounts])
    const { rows } = await sql`select total::int from public.day_total order by 1`.execute(
      fixture.db,
    )
    expect(rows).toEqual([1, 2, 4, 5].map((total) => ({ total })))
  })
})

describe('events that are tried again', () => {
  const retrying = { ...accounts, retry: { retries: 2, baseMs: 1, maxMs: 5 } }

  test('are parked once each has had its attempts, however many there are', async () => {
    fixture.log.append(
      0,
      deposited(accountId(0), 0),
      deposited(accountId(1), 0),
      deposited(accountId(2), 1),
    )
    const { metrics } = fixture.start([retrying])
    await until(async () => expect(await fixture.nextOffset()).toBe(3))
    expect(await fixture.readAccounts()).toMatchObject([{ id: accountId(2) }])
    const { rows } = await sql`select log_offset::int as "offset", attempts from evt.dead_letter
      order by 1`.execute(fixture.db)
    expect(rows).toEqual([
      { offset: 0, attempts: 3 },
      { offset: 1, attempts: 3 },
    ])
    // Two retries of each, and the failure that parked it.
    await until(async () => expect(await errorsOf(metrics, 'code')).toBe(6))
  })

  test('do not hold live events up when they fail again in a replay', async () => {
    fixture.log.append(0, deposited(accountId(0), 0), deposited(accountId(1), 0))
    fixture.start([retrying])
    await until(async () => expect(await fixture.nextOffset()).toBe(2))
    await sql`update evt.parked_key set drain_request = gen_random_uuid(),
      drain_requested_at = clock_timestamp(), drain_actor = 'ana',
      drain_reason = 'a test'`.execute(fixture.db)
    const failed = async () =>
      (await sql`select attempts from evt.dead_letter where attempts > 3`.execute(fixture.db)).rows
    await until(async () => expect(await failed()).toEqual([{ attempts: 6 }, { attempts: 6 }]))
    fixture.log.append(0, deposited(accountId(2), 1))
    await until(async () => expect(await fixture.nextOffset()).toBe(3))
  })
})

test('an error message that is cut in the middle of a character is mirrored', async () => {
  const broken = () => {
    throw new RangeError(`${'x'.repeat(8_191)}\u{1f600}`)
  }
  const mirror = { topic: 'outbox.event.dead', groupIdPrefix: 'test' }
  fixture.log.append(0, deposited(accountId(0), 1))
  fixture.start([{ ...accounts, on: { Deposited: broken } }], { mirror })
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  const { rows } = await sql<{ message: string }>`
    select headers->>'kafka_dlt-exception-message' as message from outbox.events`.execute(
    fixture.db,
  )
  expect(rows[0]?.message).toMatch(/^x+\ufffd$/)
})

test('a copy in the mirror is the record: its key without the tenant, and its headers to the byte', async () => {
  const mirror = { topic: 'outbox.event.dead', groupIdPrefix: 'test' }
  const guid = Buffer.from([1, 0xff, 0xfe, 0])
  fixture.log.append(
    0,
    deposited(accountId(0), 0, [
      ['tenant', Buffer.from('acme')],
      ['__value_schema_id', guid],
      ['note', Buffer.from('größer')],
      ['nothing', null],
    ]),
  )
  fixture.start([accounts], { mirror, tenantHeader: 'tenant' })
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  const { rows } = await sql<{ id: string; headers: Readonly<Record<string, unknown>> }>`
    select aggregateid as id, headers from outbox.events`.execute(fixture.db)
  expect(rows[0]?.id).toBe(accountId(0))
  expect(rows[0]?.headers).toMatchObject({
    tenant: 'acme',
    note: 'größer',
    nothing: null,
    'fairlead.dlq.base64.__value_schema_id': guid.toString('base64'),
  })
  expect(rows[0]?.headers).not.toHaveProperty('__value_schema_id')
})

test('a copy names its letter, and the one that it waits for', async () => {
  const mirror = { topic: 'outbox.event.dead', groupIdPrefix: 'test' }
  const failing = deposited(accountId(0), 0)
  fixture.log.append(0, failing, deposited(accountId(1), 0), deposited(accountId(0), 1))
  fixture.start([accounts], { mirror })
  await until(async () => expect(await fixture.nextOffset()).toBe(3))
  fixture.log.append(0, deposited(accountId(0), 2))
  await until(async () => expect(await fixture.nextOffset()).toBe(4))
  const { rows: letters } = await sql<{ id: string }>`
    select id::text from evt.dead_letter order by log_offset`.execute(fixture.db)
  const [head, other, ...behind] = letters.map(({ id }) => id)
  const { rows: copies } = await sql`
    select headers->>'fairlead.dlq.id' as id, headers->>'fairlead.dlq.blocked.by' as "blockedBy"
    from outbox.events order by (headers->>'kafka_dlt-original-offset')::int`.execute(fixture.db)
  expect(copies).toEqual([
    { id: head, blockedBy: '' },
    { id: other, blockedBy: '' },
    ...behind.map((id) => ({ id, blockedBy: head })),
  ])
})

test('more parked keys than a worker holds stop nothing', async () => {
  const { projector } = fixture.start([accounts])
  fixture.log.append(0, deposited(accountId(0), 0))
  await until(async () => expect(await fixture.letters()).toHaveLength(1))
  await projector.stop()
  await sql`insert into evt.parked_key (projection_id, version, topic, part, key)
    select projection_id, version, topic, 0, 'parked-' || n
    from evt.parked_key, generate_series(1, 100000) as n`.execute(fixture.db)
  fixture.start([accounts])
  fixture.log.append(0, deposited(accountId(0), 1), deposited(accountId(1), 2))
  await until(async () => expect(await fixture.nextOffset()).toBe(3))
  expect(await fixture.readAccounts()).toMatchObject([{ id: accountId(1) }])
  expect(await fixture.letters()).toMatchObject([
    { kind: 'failed' },
    { offset: 1, kind: 'blocked' },
  ])
})

test('an event whose key moved does not overtake the letter that its former partition parks', async () => {
  const key = keyThat((of) => of(1) === 0 && of(2) === 1)
  const release = Promise.withResolvers<void>()
  const waiting: SqlProjection = {
    ...totals,
    on: {
      Deposited: async (event, context) => {
        if ((event.data as { readonly amount: number }).amount === 0) await release.promise
        await totals.on['Deposited']?.(event, context)
      },
    },
  }
  fixture.log.append(0, deposited('monday', 1))
  const before = fixture.start([waiting])
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  await before.projector.stop()

  const grown = new MemoryLog(TOPIC, 2)
  const timestampMs = Date.now()
  grown.append(0, deposited('monday', 1), { ...deposited(key, 0), timestampMs })
  grown.append(1, { ...deposited(key, 6), timestampMs: timestampMs + 1 })
  fixture.log = grown
  const { health } = fixture.start([waiting])
  await until(() => expect(health.get('projection totals v1')).toMatch(/was in another partition/))
  release.resolve()
  await until(async () =>
    expect(await fixture.letters()).toMatchObject([
      { key, kind: 'blocked' },
      { key, kind: 'failed' },
    ]),
  )
  expect((await sql`select day from public.day_total`.execute(fixture.db)).rows).toEqual([
    { day: 'monday' },
  ])
})

test('a value that its column cannot hold is told with the name of the column', async () => {
  fixture.log.append(0, deposited(accountId(0), 2 ** 31))
  fixture.start([accounts])
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  const { rows } = await sql<{ message: string }>`
    select error_message as message from evt.dead_letter`.execute(fixture.db)
  expect(rows[0]?.message).toMatch(
    / out of range for type integer \(account\.balance is integer\)$/,
  )
})

test('a flood of poison keys pauses the projection instead of parking them all', async () => {
  const { health } = fixture.start([accounts], { parkedKeysPerMinuteMax: 5 })
  fixture.log.append(0, ...Array.from({ length: 50 }, (_, index) => deposited(accountId(index), 0)))
  await until(() =>
    expect(health.get('projection accounts v1')).toMatch(
      /^partition 0 paused: this batch would park 50 keys for one cause .* nothing deposited\. Mend what fails, or/,
    ),
  )
  expect(await fixture.letters()).toEqual([])
})
