import { expect, test } from 'vitest'
import { IoRate } from './io-rate.ts'

test('bytes pass at the rate on average, whatever their sizes', () => {
  const rate = new IoRate(1000)
  let nowMs = 5000
  let passed = 0
  for (const bytes of [100, 1, 700, 300, 50, 2000, 5, 900, 400]) {
    nowMs += rate.delayMs(bytes, nowMs)
    passed += bytes
  }
  expect(nowMs - 5000).toBeGreaterThan(passed - 400 - 200)
  expect(nowMs - 5000).toBeLessThanOrEqual(passed)
})

test('a pause allows a short burst, no more', () => {
  const rate = new IoRate(1000)
  rate.delayMs(10, 0)
  expect(rate.delayMs(10, 60_000)).toBe(0)
  expect(rate.delayMs(100, 60_000)).toBe(0)
  expect(rate.delayMs(10, 60_000)).toBeCloseTo(10)
})

test('without a limit nothing waits', () => {
  const rate = new IoRate(Number.MAX_VALUE)
  for (let count = 0; count < 10; count += 1) expect(rate.delayMs(1e9, 0)).toBe(0)
})
