import { expect, test } from 'vitest'
import { FloodBreaker } from './flood-breaker.ts'

const breaker = () => new FloodBreaker({ parkedKeysMax: 10 })

test('a few poison keys pass', () => {
  expect(breaker().permits({ parkedCount: 10, keyCount: 10 }, 0)).toBe(true)
})

test('a batch whose keys all fail does not', () => {
  expect(breaker().permits({ parkedCount: 11, keyCount: 11 }, 0)).toBe(false)
})

test('a small share of many keys passes', () => {
  expect(breaker().permits({ parkedCount: 50, keyCount: 1_000 }, 0)).toBe(true)
})

test('batches of one window count together, and a new window starts from zero', () => {
  const window = breaker()
  window.committed({ parkedCount: 8, keyCount: 8 }, 0)
  expect(window.permits({ parkedCount: 8, keyCount: 8 }, 59_999)).toBe(false)
  expect(window.permits({ parkedCount: 0, keyCount: 8 }, 59_999)).toBe(true)
  expect(window.retryAtMs(59_999)).toBe(60_000)
  expect(window.permits({ parkedCount: 8, keyCount: 8 }, 60_000)).toBe(true)
})
