import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffDelayMs } from './index.ts'

test('a delay lies between half of its ceiling and its ceiling, and the ceiling doubles up to the maximum', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.nat(), (attempt, draw) => {
      const random = { int: (bound: number) => draw % bound, bytes: () => new Uint8Array() }
      const ceilingMs = Math.min(10_000, 100 * 2 ** Math.min(attempt - 1, 30))
      const delayMs = backoffDelayMs(attempt, { baseMs: 100, maxMs: 10_000 }, random)
      expect(delayMs).toBeGreaterThanOrEqual(ceilingMs / 2)
      expect(delayMs).toBeLessThanOrEqual(ceilingMs)
    }),
  )
})
