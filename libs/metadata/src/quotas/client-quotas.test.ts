import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ClientQuotas } from './client-quotas.ts'
import { ConnectionRates } from './connection-rates.ts'
import type { QuotaEntity } from './quota-entity.ts'
import { QuotasImage } from './quotas-image.ts'

const WINDOWS = { count: 11, windowMs: 1_000 }
const ALICE = { user: 'alice', clientId: 'app' }

function imageOf(...quotas: readonly (readonly [QuotaEntity, string, number])[]): QuotasImage {
  const image = new QuotasImage()
  for (const [entity, key, value] of quotas) {
    image.replay({ kind: 'ClientQuotaRecord', entity, key, value })
  }
  return image
}

function quotasOf(image: QuotasImage, sensorsMax = 100): ClientQuotas {
  return new ClientQuotas({ image, windows: WINDOWS, mutationWindows: WINDOWS, sensorsMax })
}

describe('a client that keeps to what it is told', () => {
  const SECONDS = 200
  const sizes = (max: number) =>
    fc.array(fc.integer({ min: 1, max }), { minLength: 1, maxLength: 40 })
  const PER_SECOND = 1_000

  function run(pattern: readonly number[]): number {
    const quotas = quotasOf(imageOf([{ user: 'alice' }, 'producer_byte_rate', PER_SECOND]))
    let total = 0
    let nowMs = 0
    for (let index = 0; nowMs < SECONDS * 1_000; index += 1) {
      const value = pattern[index % pattern.length] ?? 1
      total += value
      nowMs += 1 + quotas.record('Produce', ALICE, { value, nowMs })
    }
    return total
  }

  test('sends no more than its quota in the long run', () => {
    fc.assert(
      fc.property(sizes(PER_SECOND), (pattern) => {
        const most = PER_SECOND * (SECONDS + WINDOWS.count + 1) + PER_SECOND
        expect(run(pattern)).toBeLessThanOrEqual(most)
      }),
    )
  })

  test('sends less than twice its quota, even when a wait is longer than what is remembered', () => {
    fc.assert(
      fc.property(sizes(30 * PER_SECOND), (pattern) => {
        expect(run(pattern)).toBeLessThan(2 * PER_SECOND * SECONDS + 30 * PER_SECOND)
      }),
    )
  })

  test('gets its quota, when it wants more', () => {
    fc.assert(
      fc.property(sizes(30 * PER_SECOND), (pattern) => {
        expect(run([...pattern, PER_SECOND])).toBeGreaterThan(0.8 * PER_SECOND * SECONDS)
      }),
    )
  })
})

test('a quota that is changed applies to what is measured already', () => {
  const image = imageOf([{ user: 'alice' }, 'producer_byte_rate', 1_000])
  const quotas = quotasOf(image)
  const record = (value: number) => quotas.record('Produce', ALICE, { value, nowMs: 0 })
  expect(record(9_000)).toBe(0)
  expect(record(6_000)).toBe(5_000)
  const quota = { kind: 'ClientQuotaRecord', key: 'producer_byte_rate' } as const
  image.replay({ ...quota, entity: { user: 'alice' }, value: 2_000 })
  expect(record(0)).toBe(0)
  image.replay({ ...quota, entity: { user: 'alice' }, value: null })
  expect(quotas.isEmpty).toBe(true)
  expect(record(1e9)).toBe(0)
})

test('clients share what the quota of a user measures, and no more', () => {
  const quotas = quotasOf(imageOf([{ user: 'alice' }, 'producer_byte_rate', 1_000]))
  const record = (client: { user: string; clientId: string }) =>
    quotas.record('Produce', client, { value: 10_000, nowMs: 0 })
  expect(record(ALICE)).toBe(0)
  expect(record({ ...ALICE, clientId: 'other' })).toBeGreaterThan(0)
  expect(record({ user: 'bob', clientId: 'app' })).toBe(0)
})

test('each of many clients has its own part of a default', () => {
  const quotas = quotasOf(imageOf([{ 'client-id': null }, 'consumer_byte_rate', 1_000]))
  for (const clientId of ['a', 'b', 'c']) {
    const client = { user: 'alice', clientId }
    expect(quotas.record('Fetch', client, { value: 10_000, nowMs: 0 })).toBe(0)
    expect(quotas.record('Fetch', client, { value: 1_000, nowMs: 0 })).toBe(1_000)
  }
  expect(quotas.fetchBytesMax(ALICE)).toBe(10_000)
})

test('what is counted back counts for nothing', () => {
  const quotas = quotasOf(imageOf([{ user: 'alice' }, 'consumer_byte_rate', 1_000]))
  expect(quotas.record('Fetch', ALICE, { value: 1_000, nowMs: 0 })).toBe(0)
  const recorded = { value: 49_000, nowMs: 0 }
  expect(quotas.record('Fetch', ALICE, recorded)).toBe(40_000)
  quotas.unrecord('Fetch', ALICE, recorded)
  expect(quotas.record('Fetch', ALICE, { value: 9_000, nowMs: 1 })).toBe(0)
})

test('a batch that is larger than the quota ever allows is fetched after a silence', () => {
  const quotas = quotasOf(imageOf([{ user: 'alice' }, 'consumer_byte_rate', 1_000]))
  const fetch = (nowMs: number) => quotas.record('Fetch', ALICE, { value: 50_000, nowMs })
  expect(fetch(0)).toBe(0)
  expect(fetch(1)).toBeGreaterThan(80_000)
  quotas.unrecord('Fetch', ALICE, { value: 50_000, nowMs: 1 })
  expect(fetch(11_001)).toBe(0)
})

test('names of any length take a bounded place', () => {
  const quotas = quotasOf(imageOf([{ 'client-id': null }, 'producer_byte_rate', 1_000]))
  const long = { user: 'alice', clientId: 'x'.repeat(32_767) }
  quotas.record('Produce', long, { value: 1, nowMs: 0 })
  expect([...quotas.readings(0)].map(({ clientId }) => clientId.length)).toEqual([250])
})

test('time of requests is waited for at most one window', () => {
  const quotas = quotasOf(imageOf([{ user: 'alice' }, 'request_percentage', 1]))
  expect(quotas.record('Request', ALICE, { value: 1_000, nowMs: 0 })).toBe(1_000)
})

describe('partitions that are created or deleted', () => {
  const image = imageOf([{ user: 'alice' }, 'controller_mutation_rate', 2])
  const take = (quotas: ClientQuotas, partitionCount: number, nowMs: number, isStrict = true) =>
    quotas.mutate(ALICE, { partitionCount, nowMs, isStrict })

  test('may be more than the quota once, and are refused until that is paid', () => {
    const quotas = quotasOf(image)
    expect(take(quotas, 30, 0)).toBe(0)
    expect(take(quotas, 1, 0)).toBe(4_000)
    expect(take(quotas, 1, 3_999)).toBe(1)
    expect(take(quotas, 1, 4_000)).toBe(0)
  })

  test('are made at once, and waited for afterwards, by old clients', () => {
    const quotas = quotasOf(image)
    expect(take(quotas, 30, 0, false)).toBe(4_000)
    expect(take(quotas, 2, 0, false)).toBe(5_000)
  })

  test('never pass what the time gives, and one request', () => {
    const steps = fc.array(fc.tuple(fc.nat({ max: 3_000 }), fc.integer({ min: 1, max: 40 })))
    fc.assert(
      fc.property(steps, (requests) => {
        const quotas = quotasOf(image)
        let nowMs = 0
        let total = 0
        for (const [waitMs, count] of requests) {
          nowMs += waitMs
          if (take(quotas, count, nowMs) === 0) total += count
        }
        expect(total).toBeLessThanOrEqual(2 * (11 + nowMs / 1_000) + 40)
      }),
    )
  })
})

test('clients without number leave no more than so many behind, and none after an hour', () => {
  const quotas = quotasOf(imageOf([{ 'client-id': null }, 'producer_byte_rate', 1]), 10)
  const measured = (nowMs: number) => [...quotas.readings(nowMs)].map(({ clientId }) => clientId)
  for (let nowMs = 0; nowMs < 50; nowMs += 1) {
    quotas.record('Produce', { user: 'alice', clientId: `c${nowMs}` }, { value: 1, nowMs })
  }
  expect(measured(50)).toEqual(Array.from({ length: 10 }, (_, index) => `c${40 + index}`))
  quotas.record('Produce', { user: 'alice', clientId: 'c40' }, { value: 1, nowMs: 2_000_000 })
  expect(measured(3_700_000)).toEqual(['c40'])
})

test('readings tell rates, permits and average waits', () => {
  const quotas = quotasOf(
    imageOf(
      [{ user: 'alice' }, 'producer_byte_rate', 100],
      [{ user: 'alice' }, 'controller_mutation_rate', 1],
    ),
  )
  quotas.record('Produce', ALICE, { value: 2_000, nowMs: 0 })
  quotas.throttled('Produce', ALICE, { throttleMs: 300, nowMs: 0 })
  quotas.throttled('Produce', ALICE, { throttleMs: 100, nowMs: 0 })
  quotas.mutate(ALICE, { partitionCount: 5, isStrict: true, nowMs: 0 })
  const shared = { user: 'alice', clientId: '' }
  expect([...quotas.readings(0)]).toEqual([
    { resource: 'Produce', ...shared, rate: 200, tokens: undefined, throttleTimeMs: 200 },
    { resource: 'ControllerMutation', ...shared, rate: 0.5, tokens: 6, throttleTimeMs: undefined },
  ])
})

test('an address connects at its rate, however it is written', () => {
  const image = imageOf([{ ip: '127.0.0.1' }, 'connection_creation_rate', 1])
  const rates = new ConnectionRates({ image, windows: WINDOWS, sensorsMax: 10 })
  for (let count = 0; count < 10; count += 1) expect(rates.connect('127.0.0.1', 0)).toBe(0)
  expect(rates.connect('::ffff:127.0.0.1', 0)).toBe(1_000)
  expect(rates.connect('127.0.0.2', 0)).toBe(0)
  // What was refused was not counted.
  expect(rates.connect('127.0.0.1', 11_000)).toBe(0)
})
