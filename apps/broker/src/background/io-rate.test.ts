import { expect, test } from 'vitest'
import { IoRate } from './io-rate.ts'

test('bytes pass at the rate on average, whatever their sizes', () => {
  const rate = new IoRate()
  let nowMs = 5000
  let passed = 0
  for (const bytes of [100, 1, 700, 300, 50, 2000, 5, 900, 400]) {
    nowMs += rate.delayMs(bytes, { bytesPerSecond: 1000, nowMs })
    passed += bytes
  }
  expect(nowMs - 5000).toBeGreaterThan(passed - 400 - 200)
  expect(nowMs - 5000).toBeLessThanOrEqual(passed)
})

test('a pause allows a short burst, no more', () => {
  const rate = new IoRate()
  const delayMs = (bytes: number, nowMs: number) =>
    rate.delayMs(bytes, { bytesPerSecond: 1000, nowMs })
  delayMs(10, 0)
  expect(delayMs(10, 60_000)).toBe(0)
  expect(delayMs(100, 60_000)).toBe(0)
  expect(delayMs(10, 60_000)).toBeCloseTo(10)
})

test('without a limit nothing waits', () => {
  const rate = new IoRate()
  const unlimited = { bytesPerSecond: Number.MAX_VALUE, nowMs: 0 }
  for (let count = 0; count < 10; count += 1) expect(rate.delayMs(1e9, unlimited)).toBe(0)
})

test('another rate holds from the next bytes on, also for those that passed before', () => {
  const rate = new IoRate()
  rate.delayMs(1_100, { bytesPerSecond: 1_000, nowMs: 0 })
  expect(rate.delayMs(1_000, { bytesPerSecond: 1_000_000, nowMs: 0 })).toBeCloseTo(1)
  expect(rate.delayMs(0, { bytesPerSecond: 1_000, nowMs: 0 })).toBeCloseTo(2_000)
})

test('a rate that was far too low is over once it is raised', () => {
  const rate = new IoRate()
  rate.delayMs(1_000_000, { bytesPerSecond: 1, nowMs: 0 })
  expect(rate.delayMs(0, { bytesPerSecond: 1, nowMs: 0 })).toBeGreaterThan(900_000_000)
  expect(rate.delayMs(0, { bytesPerSecond: 1_000_000, nowMs: 1_000 })).toBe(0)
  const unlimited = { bytesPerSecond: Number.MAX_VALUE, nowMs: 2_000 }
  expect(rate.delayMs(1e9, unlimited)).toBe(0)
  expect(rate.delayMs(1, { ...unlimited, bytesPerSecond: 1_000 })).toBeLessThan(1e9)
})
