import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountId, deposited } from '../testing/accounts.test-fixture.ts'
import {
  ANA,
  LetterFixture,
  TOPIC,
  curable,
  folded,
  until,
} from '../testing/letters.test-fixture.ts'
import { MemoryLog } from '../testing/memory-log.test-fixture.ts'

let fixture: LetterFixture

beforeEach(async () => {
  fixture = await LetterFixture.open()
})

afterEach(() => fixture.close())

test('a replayed key is drained in order, and its next event is live again', async () => {
  const { state, projection } = curable()
  await fixture.serve([projection])
  fixture.log.append(
    0,
    deposited(accountId(1), 1),
    deposited(accountId(1), -2),
    deposited(accountId(1), 3),
  )
  fixture.log.append(0, deposited(accountId(2), 7), deposited(accountId(1), 4))
  await fixture.appliedUpTo(5, 0)
  expect(await fixture.balances()).toEqual({ [accountId(1)]: 1, [accountId(2)]: 7 })
  expect(await fixture.parkedKeys()).toEqual([accountId(1)])

  state.isCured = true
  const order = { projection: 'accounts', key: accountId(1), ...ANA }
  const { status, body } = await fixture.ask('POST', '/dead-letters/replay', order)
  expect({ status, keys: body['keys'] }).toEqual({ status: 200, keys: 1 })
  await until(async () => expect(await fixture.parkedKeys()).toEqual([]))
  expect((await fixture.balances())[accountId(1)]).toBe(folded(1, -2, 3, 4))
  expect(await fixture.letters()).toEqual([])
  expect(
    (await fixture.ask('GET', `/dead-letters/replays/${String(body['request'])}`)).body,
  ).toMatchObject({
    pendingKeys: 0,
    failedKeys: 0,
    replayed: 3,
  })

  fixture.log.append(0, deposited(accountId(1), 1))
  await fixture.appliedUpTo(6, 0)
  expect((await fixture.balances())[accountId(1)]).toBe(folded(1, -2, 3, 4, 1))
  const { actions } = (await fixture.ask('GET', '/dead-letters/log?projection=accounts')).body
  expect(actions).toMatchObject(
    Array.from({ length: 3 }, () => ({ ...ANA, action: 'replay', key: accountId(1) })),
  )
})

test('a letter that fails again ends the replay of its key: what was applied stays applied', async () => {
  const { state, projection } = curable()
  await fixture.serve([projection])
  fixture.log.append(0, deposited(accountId(1), -1), deposited(accountId(1), 2))
  fixture.log.append(
    0,
    { ...deposited(accountId(1), 1), value: Buffer.from('{') },
    deposited(accountId(1), 3),
  )
  await fixture.appliedUpTo(4, 0)

  state.isCured = true
  const order = { projection: 'accounts', all: true, ...ANA }
  const { body } = await fixture.ask('POST', '/dead-letters/replay', order)
  await until(async () => {
    const progress = await fixture.ask('GET', `/dead-letters/replays/${String(body['request'])}`)
    expect(progress.body).toMatchObject({ pendingKeys: 0, failedKeys: 1, replayed: 2 })
  })
  expect(await fixture.balances()).toEqual({ [accountId(1)]: folded(-1, 2) })
  expect(await fixture.letters()).toEqual([
    { key: accountId(1), offset: 2, kind: 'failed', attempts: 1 },
    { key: accountId(1), offset: 3, kind: 'blocked', attempts: 0 },
  ])
  fixture.log.append(0, deposited(accountId(1), 5))
  await fixture.appliedUpTo(5, 0)
  expect(await fixture.letters()).toHaveLength(3)
})

test('events that arrive while their key drains queue behind it, and none overtakes another', async () => {
  const { state, projection } = curable()
  await fixture.serve([projection], { batchRecordsMax: 7 })
  const amounts = Array.from({ length: 1_500 }, (_, index) => (index === 0 ? -1 : index))
  const append = (...some: readonly number[]) =>
    fixture.log.append(0, ...some.map((amount) => deposited(accountId(1), amount)))
  append(...amounts.slice(0, 1_200))
  await fixture.appliedUpTo(1_200, 0)

  state.isCured = true
  await fixture.ask('POST', '/dead-letters/replay', { projection: 'accounts', all: true, ...ANA })
  for (const amount of amounts.slice(1_200)) append(amount)
  await fixture.appliedUpTo(amounts.length, 0)
  await until(async () => expect(await fixture.parkedKeys()).toEqual([]))
  expect(await fixture.letters()).toEqual([])
  expect(await fixture.balances()).toEqual({ [accountId(1)]: folded(...amounts) })
})

test('one letter is replayed alone, and only at the head of its key', async () => {
  const { state, projection } = curable()
  await fixture.serve([projection])
  fixture.log.append(
    0,
    deposited(accountId(1), -5),
    deposited(accountId(1), 2),
    deposited(accountId(1), 3),
  )
  await fixture.appliedUpTo(3, 0)
  state.isCured = true
  const replay = async (id: string) =>
    fixture.ask('POST', '/dead-letters/replay', { projection: 'accounts', id, ...ANA })
  expect(await replay(await fixture.idAt(1))).toMatchObject({
    status: 409,
    body: { code: 'NOT_THE_HEAD' },
  })
  expect(await replay('999')).toMatchObject({ status: 404 })
  expect(await replay(await fixture.idAt(0))).toMatchObject({ status: 200 })
  await until(async () => expect(await fixture.letters()).toHaveLength(2))
  expect(await fixture.parkedKeys()).toEqual([accountId(1)])
  expect(await fixture.balances()).toEqual({ [accountId(1)]: -5 })
})

test('letters of one cause are replayed together, at the rate that was asked for', async () => {
  const { state, projection } = curable()
  await fixture.serve([projection])
  for (let index = 0; index < 10; index += 1)
    fixture.log.append(index % 2, deposited(accountId(index), -1))
  fixture.log.append(0, { ...deposited(accountId(99), 1), value: Buffer.from('{') })
  await fixture.appliedUpTo(6, 5)
  const { causes } = (await fixture.ask('GET', '/dead-letters/causes')).body as {
    causes: { fingerprint: string; keys: number; errorClass: string }[]
  }
  expect(causes).toMatchObject([
    { keys: 10, errorClass: 'RangeError' },
    { keys: 1, errorClass: 'DecodeError' },
  ])

  state.isCured = true
  const startedMs = performance.now()
  const order = {
    projection: 'accounts',
    fingerprint: causes[0]?.fingerprint,
    lettersPerSecond: 2,
    ...ANA,
  }
  expect((await fixture.ask('POST', '/dead-letters/replay', order)).body).toMatchObject({
    keys: 10,
  })
  await until(async () => expect(await fixture.parkedKeys()).toEqual([accountId(99)]))
  // Five of each partition, two a second: the last one comes two seconds after the first two.
  expect(performance.now() - startedMs).toBeGreaterThan(1_900)
})

test('letters that fail again have the rate that was asked for, too', async () => {
  const { projection } = curable()
  await fixture.serve([projection])
  fixture.log.append(0, ...Array.from({ length: 5 }, (_, index) => deposited(accountId(index), -1)))
  await fixture.appliedUpTo(5, 0)
  const startedMs = performance.now()
  const order = { projection: 'accounts', all: true, lettersPerSecond: 2, ...ANA }
  const { body } = await fixture.ask('POST', '/dead-letters/replay', order)
  await until(async () => {
    const progress = await fixture.ask('GET', `/dead-letters/replays/${String(body['request'])}`)
    expect(progress.body).toMatchObject({ pendingKeys: 0, failedKeys: 5, replayed: 0 })
  })
  expect(performance.now() - startedMs).toBeGreaterThan(1_900)
})

test('a key that arrives at another partition is found there, and drained in the order of both', async () => {
  const { state, projection } = curable()
  await fixture.serve([projection])
  fixture.log.append(0, deposited(accountId(1), -1), deposited(accountId(1), 2))
  await fixture.appliedUpTo(2, 0)
  await fixture.log.rebalance()
  fixture.log.append(1, deposited(accountId(1), 3))
  await fixture.appliedUpTo(2, 1)
  expect(await fixture.letters()).toMatchObject([
    { kind: 'failed' },
    { kind: 'blocked' },
    { kind: 'blocked' },
  ])

  state.isCured = true
  await fixture.ask('POST', '/dead-letters/replay', { projection: 'accounts', all: true, ...ANA })
  await until(async () => expect(await fixture.parkedKeys()).toEqual([]))
  expect(await fixture.balances()).toEqual({ [accountId(1)]: folded(-1, 2, 3) })
  // Partition 0 has not heard of it yet.
  fixture.log.append(0, deposited(accountId(1), 1))
  await fixture.appliedUpTo(3, 1)
  expect(await fixture.balances()).toEqual({ [accountId(1)]: folded(-1, 2, 3, 1) })
  expect(await fixture.letters()).toEqual([])
})

test('a key that went through several partitions is drained in the order in which it did', async () => {
  const { state, projection } = curable()
  fixture.log = new MemoryLog(TOPIC, 3)
  await fixture.serve([projection])
  const end = [0, 0, 0]
  // Two growths, and at last a producer that has not heard of the second one.
  for (const [index, partition] of [2, 0, 1, 0].entries()) {
    fixture.log.append(partition, deposited(accountId(1), index === 0 ? -1 : index + 1))
    end[partition] = (end[partition] ?? 0) + 1
    await fixture.appliedUpTo(...end)
    await fixture.log.rebalance()
  }
  expect(await fixture.parkedKeys()).toEqual([accountId(1)])
  const first = (await fixture.ask('GET', '/dead-letters?kind=failed')).body['deadLetters'] as [
    { id: string },
  ]
  expect((await fixture.ask('GET', '/dead-letters/keys')).body).toMatchObject({
    keys: [{ headId: first[0].id, headKind: 'failed', partition: 0 }],
  })

  state.isCured = true
  const { id } = first[0]
  const head = await fixture.ask('POST', '/dead-letters/replay', {
    projection: 'accounts',
    id,
    ...ANA,
  })
  expect(head).toMatchObject({ status: 200 })
  await fixture.ask('POST', '/dead-letters/replay', { projection: 'accounts', all: true, ...ANA })
  await until(async () => expect(await fixture.parkedKeys()).toEqual([]))
  expect(await fixture.balances()).toEqual({ [accountId(1)]: folded(-1, 2, 3, 4) })
})

describe('of a replay one transaction takes no more than', () => {
  /** Letters that were applied, by transaction. */
  const countsApplied = async (): Promise<readonly number[]> => {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from evt.dead_letter_log where action = 'replay'
      group by xmin order by min(id)`.execute(fixture.db)
    return rows.map(({ count }) => count)
  }

  /** Letters of one key, which are replayed once they can be applied. */
  const replayed = async (events: readonly ReturnType<typeof deposited>[], order: object) => {
    const { state, projection } = curable()
    await fixture.serve([projection])
    fixture.log.append(0, deposited(accountId(1), -1), ...events)
    await fixture.appliedUpTo(1 + events.length, 0)
    state.isCured = true
    const selected = { projection: 'accounts', key: accountId(1), ...ANA, ...order }
    await fixture.ask('POST', '/dead-letters/replay', selected)
    await until(async () => expect(await fixture.parkedKeys()).toEqual([]))
    return countsApplied()
  }

  test('a few letters at first, and more while they pass', async () => {
    const events = Array.from({ length: 399 }, () => deposited(accountId(1), 1))
    const counts = await replayed(events, {})
    expect(counts[0]).toBe(50)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(400)
  })

  test('16 MiB of letters, with their headers', async () => {
    const header = Buffer.alloc(2_000_000)
    const events = Array.from({ length: 8 }, () => deposited(accountId(1), 1, [['x', header]]))
    const counts = await replayed(events, {})
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(9)
    expect(Math.max(...counts)).toBeLessThan(9)
  })

  test('what its rate allows in a quarter of a second', async () => {
    const events = Array.from({ length: 39 }, () => deposited(accountId(1), 1))
    const counts = await replayed(events, { lettersPerSecond: 80 })
    expect(counts).toEqual([20, 20])
  })
})

test('a replay that another one takes over is under way until that one ends', async () => {
  const { state, projection } = curable()
  await fixture.serve([projection])
  fixture.log.append(0, deposited(accountId(1), -1), deposited(accountId(1), 2))
  await fixture.appliedUpTo(2, 0)
  // Nobody drains there, so that both orders are under way.
  await sql`update evt.parked_key set part = 9`.execute(fixture.db)
  const order = async () =>
    (
      await fixture.ask('POST', '/dead-letters/replay', {
        projection: 'accounts',
        all: true,
        ...ANA,
      })
    ).body
  const progress = async ({ request }: Readonly<Record<string, unknown>>) =>
    (await fixture.ask('GET', `/dead-letters/replays/${String(request)}`)).body
  const [first, second] = [await order(), await order()]
  expect(await progress(first)).toMatchObject({ pendingKeys: 1 })
  expect(await progress(second)).toMatchObject({ pendingKeys: 1 })

  state.isCured = true
  await sql`update evt.parked_key set part = 0`.execute(fixture.db)
  await until(async () => expect(await fixture.parkedKeys()).toEqual([]))
  expect(await progress(first)).toMatchObject({ pendingKeys: 0, failedKeys: 0, replayed: 0 })
  expect(await progress(second)).toMatchObject({ pendingKeys: 0, failedKeys: 0, replayed: 2 })
  const never = await fixture.ask(
    'GET',
    '/dead-letters/replays/00000000-0000-4000-8000-000000000000',
  )
  expect(never).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
})

test('a replay at a rate holds up no other, and has its rate behind one without', async () => {
  const { state, projection } = curable()
  await fixture.serve([projection])
  const keys = Array.from({ length: 9 }, (_, index) => accountId(index))
  fixture.log.append(0, ...keys.map((key) => deposited(key, -1)))
  await fixture.appliedUpTo(9, 0)
  state.isCured = true
  const slow = keys.slice(0, 6)
  // Asked for at once, before the partition looks again.
  await sql`update evt.parked_key set part = 9`.execute(fixture.db)
  const replay = async (key: string, options: object = {}) =>
    fixture.ask('POST', '/dead-letters/replay', { projection: 'accounts', key, ...options, ...ANA })
  await replay(slow[0] ?? '', { lettersPerSecond: 1 })
  await sql`update evt.parked_key k set drain_request = s.drain_request,
      drain_requested_at = s.drain_requested_at, drain_actor = s.drain_actor,
      drain_reason = s.drain_reason,
      drain_letters_per_second = s.drain_letters_per_second
    from evt.parked_key s where s.drain_requested_at is not null
      and k.key = any(${slow}::text[])`.execute(fixture.db)
  for (const key of keys.slice(6)) await replay(key)
  await sql`update evt.parked_key set part = 0`.execute(fixture.db)
  await until(async () => expect(await fixture.parkedKeys()).toEqual([]))
  const { rows } = await sql<{ key: string }>`
    select letter ->> 'key' as key from evt.dead_letter_log order by id`.execute(fixture.db)
  // One of the slow ones may come at once, and those behind it a second later each.
  const last = rows.slice(-2).map(({ key }) => key)
  expect(slow).toEqual(expect.arrayContaining(last))
})
