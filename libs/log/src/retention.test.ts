import { expect, test } from 'vitest'
import { expiredSegmentCount } from './retention.ts'

const NOW_MS = 10_000
const segment = (sizeBytes: number, maxTimestampMs: number, isBelowLogStart = false) => ({
  sizeBytes,
  maxTimestampMs,
  isBelowLogStart,
})
const FOUR = [segment(10, 1000), segment(10, 9000), segment(10, 2000), segment(10, 3000)]
const KEEP = { retentionMs: -1, retentionBytes: -1, cleanupPolicy: ['delete'] } as const

test.for([
  { rule: 'nothing goes without limits', config: KEEP, count: 0 },
  { rule: 'age ends at the first young segment', config: { ...KEEP, retentionMs: 5000 }, count: 1 },
  {
    rule: 'a record exactly as old as allowed stays',
    config: { ...KEEP, retentionMs: 9000 },
    count: 0,
  },
  {
    rule: 'size keeps at least what is asked for',
    config: { ...KEEP, retentionBytes: 25 },
    count: 1,
  },
  { rule: 'size reached exactly is enough', config: { ...KEEP, retentionBytes: 20 }, count: 2 },
  { rule: 'no size keeps nothing', config: { ...KEEP, retentionBytes: 0 }, count: 4 },
  { rule: 'no age keeps nothing', config: { ...KEEP, retentionMs: 0 }, count: 4 },
  {
    rule: 'a compacted topic keeps its segments',
    config: { ...KEEP, retentionMs: 0, retentionBytes: 0, cleanupPolicy: ['compact'] as const },
    count: 0,
  },
])('$rule', ({ config, count }) => {
  expect(expiredSegmentCount(FOUR, config, NOW_MS)).toBe(count)
})

test('what lies below the log start goes, whatever the policy', () => {
  const segments = [segment(10, 9000, true), segment(10, 9000, true), segment(10, 9000)]
  const compacted = { ...KEEP, cleanupPolicy: ['compact'] as const }
  expect(expiredSegmentCount(segments, compacted, NOW_MS)).toBe(2)
})
