import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Rate } from './rate.ts'

const WINDOWS = { count: 4, windowMs: 1_000 }

test('a client that just began is measured as if it had been silent before', () => {
  const rate = new Rate(WINDOWS)
  rate.record(3_000, 0)
  expect(rate.perSecond(0)).toBe(1_000)
  expect(rate.throttleMs(500, 0)).toBe(3_000)
  expect(rate.throttleMs(1_000, 0)).toBe(0)
})

test('a window counts until nothing happened in it for all windows', () => {
  const rate = new Rate(WINDOWS)
  rate.record(100, 0)
  rate.record(100, 900)
  expect(rate.sum(4_899)).toBe(200)
  expect(rate.sum(4_900)).toBe(0)
})

test('is the sum of what is younger than all windows, and of at most one window more', () => {
  const steps = fc.array(fc.tuple(fc.nat({ max: 2_500 }), fc.integer({ min: 1, max: 100 })), {
    minLength: 1,
  })
  fc.assert(
    fc.property(steps, fc.nat({ max: 5_000 }), (records, restMs) => {
      const rate = new Rate(WINDOWS)
      let nowMs = 0
      const recorded = records.map(([waitMs, value]) => {
        nowMs += waitMs
        rate.record(value, nowMs)
        return { atMs: nowMs, value }
      })
      nowMs += restMs
      const { count, windowMs } = WINDOWS
      const since = (ageMs: number): number =>
        recorded.reduce((sum, { atMs, value }) => sum + (nowMs - atMs < ageMs ? value : 0), 0)
      const sum = rate.sum(nowMs)
      expect(sum).toBeGreaterThanOrEqual(since((count - 1) * windowMs))
      expect(sum).toBeLessThanOrEqual(since((count + 1) * windowMs))
    }),
  )
})

test('is at the bound after the wait, once all windows have passed', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.integer({ min: 1, max: 50 }),
      (value, bound) => {
        const rate = new Rate(WINDOWS)
        for (let nowMs = 0; nowMs <= 8_000; nowMs += 250) rate.record(value, nowMs)
        const waitMs = rate.throttleMs(bound, 8_000)
        // Half a millisecond may have been rounded off.
        expect(rate.perSecond(8_000 + waitMs + 1)).toBeLessThanOrEqual(bound * 1.000_001)
      },
    ),
  )
})
