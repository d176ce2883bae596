import { expect, test } from 'vitest'
import { FloodBreaker } from './flood-breaker.ts'

const breaker = () => new FloodBreaker({ parkedKeysMax: 10 })

/** `parked` says how many keys of each cause. */
const batch = (keyCount: number, parked: Readonly<Record<string, number>> = {}, tenant = '') => ({
  keyCount,
  parked: Object.entries(parked).flatMap(([cause, count]) =>
    Array.from({ length: count }, () => ({ cause, tenant })),
  ),
})

test('a few poison keys pass', () => {
  expect(breaker().floodOf(batch(10, { a: 10 }), 0)).toBeUndefined()
})

test('a batch whose keys all fail for one cause does not', () => {
  expect(breaker().floodOf(batch(12, { a: 1, b: 11 }), 0)).toEqual({ cause: 'b', scope: 'all' })
})

test('many causes of a few keys each are no flood', () => {
  expect(breaker().floodOf(batch(30, { a: 10, b: 10, c: 10 }), 0)).toBeUndefined()
})

test('a small share of many keys passes', () => {
  expect(breaker().floodOf(batch(1_000, { a: 50 }), 0)).toBeUndefined()
})

test('batches of one window count together, and a new window starts from zero', () => {
  const window = breaker()
  window.committed(batch(8, { a: 8 }), 0)
  expect(window.floodOf(batch(8, { a: 8 }), 59_999)).toEqual({ cause: 'a', scope: 'all' })
  expect(window.floodOf(batch(8), 59_999)).toBeUndefined()
  expect(window.retryAtMs(59_999)).toBe(60_000)
  expect(window.floodOf(batch(8, { a: 8 }), 60_000)).toBeUndefined()
})

test('what fails for one tenant alone holds nobody up', () => {
  const flood = { cause: 'a', scope: 'tenant' }
  expect(breaker().floodOf(batch(2_000, { a: 1_000 }, 'acme'), 0)).toEqual(flood)
  const window = breaker()
  window.committed(batch(10, { a: 10 }, 'other'), 0)
  expect(window.floodOf(batch(1_000, { a: 500 }, 'acme'), 0)).toEqual(flood)
  expect(window.floodOf(batch(10, { a: 5 }, 'acme'), 0)).toEqual(flood)
})

test('what fails for several tenants is a flood of all, whoever has the most', () => {
  const window = breaker()
  window.committed(batch(500, { a: 500 }, 'acme'), 0)
  window.committed(batch(20, { a: 6 }, 'one'), 0)
  expect(window.floodOf(batch(20, { a: 20 }, 'two'), 0)).toEqual({ cause: 'a', scope: 'tenant' })
  expect(window.floodOf(batch(20, { a: 24 }, 'two'), 0)).toEqual({ cause: 'a', scope: 'all' })
})

test('a breaker that has refused a batch is open until the window ends, but not for one tenant', () => {
  const window = breaker()
  expect(window.isOpen(0)).toBe(false)
  window.floodOf(batch(20, { a: 20 }, 'acme'), 1)
  expect(window.isOpen(1)).toBe(false)
  window.floodOf(batch(20, { a: 20 }), 2)
  expect(window.isOpen(59_999)).toBe(true)
  expect(window.isOpen(60_000)).toBe(false)
})
