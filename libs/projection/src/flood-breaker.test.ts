import { expect, test } from 'vitest'
import { FloodBreaker } from './flood-breaker.ts'

const breaker = () => new FloodBreaker({ parkedKeysMax: 10 })

const batch = (keyCount: number, parked: Readonly<Record<string, number>> = {}) => ({
  keyCount,
  parkedByCause: new Map(Object.entries(parked)),
})

test('a few poison keys pass', () => {
  expect(breaker().floodOf(batch(10, { a: 10 }), 0)).toBeUndefined()
})

test('a batch whose keys all fail for one cause does not', () => {
  expect(breaker().floodOf(batch(12, { a: 1, b: 11 }), 0)).toBe('b')
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
  expect(window.floodOf(batch(8, { a: 8 }), 59_999)).toBe('a')
  expect(window.floodOf(batch(8), 59_999)).toBeUndefined()
  expect(window.retryAtMs(59_999)).toBe(60_000)
  expect(window.floodOf(batch(8, { a: 8 }), 60_000)).toBeUndefined()
})
