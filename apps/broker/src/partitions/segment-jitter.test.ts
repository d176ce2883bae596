import { DEFAULT_LOG_CONFIG } from '@fairlead/log'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { withSegmentJitter } from './segment-jitter.ts'

const segmentMsOf = (segmentMs: number, segmentJitterMs: number, name: string): number =>
  withSegmentJitter({ ...DEFAULT_LOG_CONFIG, segmentMs, segmentJitterMs }, name).segmentMs

test('a segment lives at most segment.ms, and at least that without segment.jitter.ms', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 ** 40 }),
      fc.integer({ min: 0, max: 2 ** 41 }),
      fc.string(),
      (segmentMs, jitterMs, name) => {
        const lived = segmentMsOf(segmentMs, jitterMs, name)
        expect(lived).toBeLessThanOrEqual(segmentMs)
        expect(lived).toBeGreaterThanOrEqual(Math.max(1, segmentMs - jitterMs))
        expect(lived).toBe(segmentMsOf(segmentMs, jitterMs, name))
      },
    ),
  )
})

test('partitions of a topic close their segments at different times', () => {
  const times = Array.from({ length: 100 }, (_, index) =>
    segmentMsOf(604_800_000, 3_600_000, `orders-${index}`),
  )
  expect(new Set(times).size).toBeGreaterThan(95)
})
