import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecayingQuantiles } from './decaying-quantiles.ts'

function quantilesOf(values: readonly number[], nowMs = 0): DecayingQuantiles {
  const quantiles = new DecayingQuantiles(nowMs)
  for (const value of values) quantiles.observe(value, nowMs)
  return quantiles
}

test('every quantile is within 2 % of the value of that rank', () => {
  const values = fc.array(fc.double({ min: 1e-3, max: 1e7, noNaN: true }), { minLength: 1 })
  const quantile = fc.integer({ min: 0, max: 999 }).map((thousandth) => thousandth / 1_000)
  fc.assert(
    fc.property(values, quantile, (observed, asked) => {
      const [value = 0] = quantilesOf(observed).values([asked])
      const sorted = [...observed].sort((left, right) => left - right)
      const ranked = sorted[Math.floor(asked * sorted.length)] ?? 0
      expect(value / ranked).toBeGreaterThan(0.98)
      expect(value / ranked).toBeLessThan(1.02)
    }),
  )
})

describe('quantiles', () => {
  test('are zero before anything was observed', () => {
    expect(quantilesOf([]).values([0.5, 0.999])).toEqual([0, 0])
  })

  test('of values beyond the range are those of its ends', () => {
    const [low = 0, high = 0] = quantilesOf([-1, 0, 1e9, Number.MAX_VALUE]).values([0, 0.999])
    expect(low).toBeCloseTo(1e-3, 4)
    expect(high).toBe(1e7)
  })

  test('forget half of what was in 46 seconds', () => {
    const quantiles = quantilesOf(Array(200).fill(100))
    const times = (count: number, nowMs: number): void => {
      for (let index = 0; index < count; index += 1) quantiles.observe(1, nowMs)
    }
    const afterMs = (Math.LN2 / 0.015) * 1e3
    times(98, afterMs)
    expect(quantiles.values([0.5])[0]).toBeCloseTo(100, -1)
    times(4, afterMs)
    expect(quantiles.values([0.5])[0]).toBeCloseTo(1, 1)
  })

  test('stay what they were while nothing is observed, and forget after days of it', () => {
    const quantiles = quantilesOf(Array(1_000).fill(100))
    const daysMs = 3 * 86_400_000
    expect(quantiles.values([0.99])[0]).toBeCloseTo(100, -1)
    quantiles.observe(1, daysMs)
    expect(quantiles.values([0, 0.999]).map(Math.round)).toEqual([1, 1])
  })
})
