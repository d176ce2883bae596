import { describe, expect, test } from 'vitest'
import {
  type CompactionRules,
  type CompactionSegment,
  type CompactionState,
  mayJoin,
  planCompaction,
} from './plan.ts'

const NOW_MS = 1_000_000

const RULES: CompactionRules = {
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  minCleanableDirtyRatio: 0.5,
}

/** Ten offsets each, 100 bytes, from 0; the last one takes the appends. */
function state(
  count: number,
  options: Partial<CompactionState> = {},
  segments: readonly Partial<CompactionSegment>[] = [],
): CompactionState {
  return {
    segments: Array.from({ length: count }, (_, index) => ({
      baseOffset: index * 10,
      endOffset: index * 10 + 10,
      sizeBytes: 100,
      isCompacted: false,
      indexBytes: 8,
      maxTimestampMs: NOW_MS - 100,
      firstTimestampMs: NOW_MS - 200,
      createdMs: NOW_MS - 300,
      ...segments[index],
    })),
    logStartOffset: 0,
    logEndOffset: count * 10,
    lastStableOffset: count * 10,
    firstDirtyOffset: 0,
    ...options,
  }
}

describe('what may be compacted', () => {
  test.for([
    { rule: 'all but the active segment', from: state(4), plan: { endOffset: 30, dirtyRatio: 1 } },
    { rule: 'nothing of one segment', from: state(1), plan: { endOffset: 0, cleanableBytes: 0 } },
    {
      rule: 'no segment that passes the last stable offset',
      from: state(4, { lastStableOffset: 25 }),
      plan: { endOffset: 20, cleanableBytes: 200 },
    },
    {
      rule: 'what is new, by the share of what is not',
      from: state(5, { firstDirtyOffset: 30 }),
      plan: { firstDirtyOffset: 30, endOffset: 40, cleanableBytes: 100, dirtyRatio: 0.25 },
    },
    {
      rule: 'from within a segment, when the last map was full there',
      from: state(4, { firstDirtyOffset: 15 }),
      plan: { firstDirtyOffset: 15, cleanableBytes: 200 },
    },
    {
      rule: 'from the log start, when what was compacted is deleted',
      from: state(4, { firstDirtyOffset: 3, logStartOffset: 10 }),
      plan: { firstDirtyOffset: 10 },
    },
    {
      rule: 'from the log start, when the log ends before the checkpoint',
      from: state(4, { firstDirtyOffset: 99 }),
      plan: { firstDirtyOffset: 0 },
    },
  ] as const)('$rule', ({ from, plan }) => {
    expect(planCompaction(from, RULES, NOW_MS)).toMatchObject(plan)
  })

  test('nothing from the first segment on that is younger than min.compaction.lag.ms', () => {
    const from = state(5, {}, [{}, { maxTimestampMs: NOW_MS - 50 }])
    const rules = { ...RULES, minCompactionLagMs: 60 }
    expect(planCompaction(from, rules, NOW_MS)).toMatchObject({ endOffset: 10 })
    expect(planCompaction(from, rules, NOW_MS + 20)).toMatchObject({ endOffset: 40 })
  })

  test('records without timestamps are as old as their segment', () => {
    const from = state(3, {}, [{ maxTimestampMs: -1, createdMs: NOW_MS - 10 }])
    const rules = { ...RULES, minCompactionLagMs: 60 }
    expect(planCompaction(from, rules, NOW_MS).cleanableBytes).toBe(0)
    expect(planCompaction(from, rules, NOW_MS + 60).endOffset).toBe(20)
  })
})

describe('a compaction is due', () => {
  test.for([
    { ratio: 0.5, firstDirtyOffset: 10, isDue: true },
    { ratio: 0.5, firstDirtyOffset: 20, isDue: false },
    { ratio: 0.2, firstDirtyOffset: 30, isDue: true },
    { ratio: 0, firstDirtyOffset: 30, isDue: true },
    { ratio: 0, firstDirtyOffset: 40, isDue: false },
    { ratio: 1, firstDirtyOffset: 0, isDue: false },
  ])('with ratio $ratio, new from $firstDirtyOffset of 40: $isDue', (row) => {
    const { ratio, firstDirtyOffset, isDue } = row
    const rules = { ...RULES, minCleanableDirtyRatio: ratio }
    expect(planCompaction(state(5, { firstDirtyOffset }), rules, NOW_MS).isDue).toBe(isDue)
  })

  test('once the first new record is older than max.compaction.lag.ms, whatever the ratio', () => {
    const rules = { ...RULES, maxCompactionLagMs: 250, minCleanableDirtyRatio: 1 }
    const from = state(5, { firstDirtyOffset: 30 })
    expect(planCompaction(from, rules, NOW_MS)).toMatchObject({ delayMs: 0, isDue: false })
    expect(planCompaction(from, rules, NOW_MS + 51)).toMatchObject({ delayMs: 1, isDue: true })
  })

  test('never when nothing may be compacted', () => {
    const rules = { ...RULES, maxCompactionLagMs: 1, minCompactionLagMs: 1 }
    const from = state(3, { lastStableOffset: 5 })
    expect(planCompaction(from, rules, NOW_MS)).toMatchObject({ delayMs: 199, isDue: false })
  })
})

describe('the next segment joins', () => {
  const written = { baseOffset: 0, sizeBytes: 50, indexBytes: 8 }
  const limits = { segmentBytes: 150, indexBytes: 16 }
  const segment = (options: Partial<CompactionSegment>) => {
    const [only] = state(1, {}, [options]).segments
    if (only === undefined) throw new Error('there is a segment')
    return only
  }

  test.for([
    { rule: 'when it fits', source: {}, joins: true },
    { rule: 'unless it is too large', source: { sizeBytes: 101 }, joins: false },
    { rule: 'unless its index is too large', source: { indexBytes: 9 }, joins: false },
    { rule: 'when its last offset has 31 bits', source: { endOffset: 2 ** 31 }, joins: true },
    { rule: 'unless it has more', source: { endOffset: 2 ** 31 + 1 }, joins: false },
    { rule: 'or is empty', source: { endOffset: 2 ** 31 + 1, sizeBytes: 0 }, joins: true },
  ])('$rule', ({ source, joins }) => {
    expect(mayJoin(written, segment(source), limits)).toBe(joins)
  })
})
