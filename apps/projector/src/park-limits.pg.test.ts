import { partitionOfKey } from '@fairlead/kafka'
import type { AnyEvent, FoldProjection, ParkLimits, Row } from '@fairlead/projection'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { accountId, accounts, deposited } from './testing/accounts.test-fixture.ts'
import { MemoryLog } from './testing/memory-log.test-fixture.ts'
import {
  OneTopicFixture,
  TOPIC,
  balances,
  errorsOf,
  until,
} from './testing/one-topic.test-fixture.ts'

let fixture: OneTopicFixture

beforeEach(async () => {
  fixture = await OneTopicFixture.open()
})

afterEach(() => fixture.close())

/** Refuses deposits of nothing until they are let in, and of less for good. */
class Refusing {
  isLetIn = false
  refusedCount = 0

  projection(parkLimits: ParkLimits): FoldProjection {
    const deposit = (row: Row, { data }: AnyEvent): Row => {
      const { amount } = data as { readonly amount: number }
      if (amount < 0 || (amount === 0 && !this.isLetIn)) {
        this.refusedCount += 1
        throw new RangeError('nothing deposited')
      }
      const total = BigInt(Number(row['total']) + amount)
      return { ...row, balance: Number(row['balance']) + amount, total }
    }
    return { ...accounts, parkLimits, on: { Deposited: deposit } }
  }
}

async function orderReplay(): Promise<void> {
  await sql`update evt.parked_key set drain_request = gen_random_uuid(),
    drain_requested_at = clock_timestamp(), drain_actor = 'ana',
    drain_reason = 'mended'`.execute(fixture.db)
}

test('events of a parked key wait in the log, beyond as many letters as it may have', async () => {
  const refusing = new Refusing()
  const [broken, other] = [accountId(0), accountId(1)]
  fixture.log.append(
    0,
    deposited(other, 1),
    deposited(broken, 0),
    deposited(broken, 2),
    deposited(other, 2),
    deposited(broken, 3),
    deposited(other, 3),
  )
  const { metrics, health } = fixture.start([refusing.projection({ maxPerKey: 2 })])
  await until(async () => expect(await errorsOf(metrics, 'flood')).toBeGreaterThan(0))
  expect(await fixture.nextOffset()).toBe(4)
  expect(await fixture.letters()).toMatchObject([
    { offset: 1, kind: 'failed' },
    { offset: 2, kind: 'blocked' },
  ])
  expect(health.get('projection accounts v1')).toMatch(
    /^partition 0 paused: the key at offset 4 .* 2 letters \(errors\.park\.maxPerKey\)/,
  )

  refusing.isLetIn = true
  await orderReplay()
  await until(async () => expect(await fixture.nextOffset()).toBe(6))
  await until(async () => expect(await fixture.letters()).toEqual([]))
  expect(await fixture.readAccounts()).toEqual(balances(5, 6))
})

test('a further key is parked once one of those that are parked is not any more', async () => {
  const refusing = new Refusing()
  fixture.log.append(
    0,
    deposited(accountId(0), 0),
    deposited(accountId(0), 1),
    deposited(accountId(1), 0),
    deposited(accountId(2), 2),
  )
  const { metrics } = fixture.start([refusing.projection({ maxKeys: 1 })])
  await until(async () => expect(await errorsOf(metrics, 'flood')).toBeGreaterThan(0))
  expect(await fixture.nextOffset()).toBe(2)
  const { refusedCount } = refusing
  await until(() => expect(refusing.refusedCount).toBeGreaterThan(refusedCount + 1))
  expect(await errorsOf(metrics, 'flood')).toBe(1)

  await sql`with gone as (delete from evt.dead_letter)
    delete from evt.parked_key`.execute(fixture.db)
  await until(async () => expect(await fixture.nextOffset()).toBe(4))
  expect(await fixture.letters()).toMatchObject([{ key: accountId(1), offset: 2 }])
  expect(await fixture.readAccounts()).toMatchObject([{ id: accountId(2), balance: 2 }])
})

test('records that nobody handles are no detour on the way to the limit', async () => {
  const refusing = new Refusing()
  const projection = refusing.projection({ maxKeys: 1 })
  const sources = projection.sources.map(({ definitions, ...source }) => ({
    ...source,
    definitions: {
      ...definitions,
      Closed: { type: 'record', name: 'Closed', fields: [] } as const,
    },
  }))
  const headers = [['eventType', Buffer.from('Closed')]] as const
  const closed = { ...deposited(accountId(0), 1), headers }
  fixture.log.append(
    0,
    deposited(accountId(0), 0),
    ...Array.from({ length: 200 }, () => closed),
    deposited(accountId(1), 0),
    deposited(accountId(2), 0),
  )
  const { metrics } = fixture.start([{ ...projection, sources }])
  await until(async () => expect(await errorsOf(metrics, 'flood')).toBe(1))
  expect(await fixture.nextOffset()).toBe(201)
  expect(refusing.refusedCount).toBeLessThan(100)
})

test('what was parked under no limit, or a greater one, waits until there is room', async () => {
  const refusing = new Refusing()
  const key = accountId(0)
  fixture.log.append(0, deposited(key, 0), deposited(key, 1), deposited(key, 2))
  fixture.start([refusing.projection({})])
  await until(async () => expect(await fixture.nextOffset()).toBe(3))
  await fixture.stopAll()
  fixture.log.append(0, deposited(key, 3))
  const { metrics } = fixture.start([refusing.projection({ maxPerKey: 1 })])
  await until(async () => expect(await errorsOf(metrics, 'flood')).toBeGreaterThan(0))
  refusing.isLetIn = true
  await orderReplay()
  await until(async () => expect(await fixture.nextOffset()).toBe(4))
  expect(await fixture.readAccounts()).toEqual(balances(6))
})

test('room is made by a partition that waits for the one that waits for room', async () => {
  const inPartition = (wanted: number): string[] =>
    Array.from({ length: 20 }, (_, index) => accountId(index)).filter(
      (id) => partitionOfKey(Buffer.from(id), 2) === wanted,
    )
  const [stays = ''] = inPartition(0)
  const [mended = '', moved = ''] = inPartition(1)
  const refusing = new Refusing()
  const projection = refusing.projection({ maxKeys: 1 })
  fixture.log.append(0, deposited(stays, 1))
  fixture.start([projection])
  await until(async () => expect(await fixture.nextOffset()).toBe(1))
  await fixture.stopAll()

  const timestampMs = Date.now()
  fixture.log = new MemoryLog(TOPIC, 2)
  fixture.log.append(0, deposited(stays, 1))
  fixture.log.append(1, { ...deposited(mended, 0), timestampMs })
  const { health } = fixture.start([projection])
  await until(async () => expect(await fixture.letters()).toMatchObject([{ key: mended }]))
  fixture.log.append(0, { ...deposited(stays, -1), timestampMs: timestampMs + 1 })
  fixture.log.append(1, { ...deposited(moved, 7), timestampMs: timestampMs + 2 })
  await until(() =>
    expect(health.get('projection accounts v1')).toMatch(/^partition 0 paused: .*maxKeys/),
  )

  refusing.isLetIn = true
  await orderReplay()
  await until(async () => expect(await fixture.letters()).toMatchObject([{ key: stays }]))
  await until(async () => expect(await fixture.readAccounts()).toHaveLength(3))
})
