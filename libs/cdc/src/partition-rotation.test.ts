import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type RangePartition,
  type TimeRange,
  intervalsAhead,
  planRotation,
} from './partition-rotation.ts'

const DAY = 86_400_000
const NOON = 20_000 * DAY + DAY / 2
const POLICY = { intervalMs: DAY, retentionMs: 2 * DAY }

function day(index: number): RangePartition {
  return { name: `d${index}`, fromMs: (20_000 + index) * DAY, toMs: (20_001 + index) * DAY }
}

test('a table without partitions gets one behind, the current one and three ahead', () => {
  const { create, retire } = planRotation([], POLICY, NOON)
  expect(create).toEqual(
    [-1, 0, 1, 2, 3].map((index) => ({ fromMs: day(index).fromMs, toMs: day(index).toMs })),
  )
  expect(retire).toEqual([])
})

test('what is older than the retention is retired, counted from its end', () => {
  const partitions = [-4, -3, -2, -1, 0, 1, 2, 3].map(day)
  expect(planRotation(partitions, POLICY, NOON)).toEqual({ create: [], retire: [day(-4), day(-3)] })
})

test('a retention below one interval keeps the interval that rows may still come for', () => {
  const policy = { intervalMs: DAY, retentionMs: 1 }
  const { retire } = planRotation([-2, -1, 0].map(day), policy, NOON)
  expect(retire).toEqual([day(-2)])
})

test('partitions of other lengths leave gaps, and only those are filled', () => {
  const half = { name: 'half', fromMs: NOON - DAY / 4, toMs: NOON + DAY / 4 }
  const { create } = planRotation([half], POLICY, NOON)
  expect(create.slice(1, 3)).toEqual([
    { fromMs: day(0).fromMs, toMs: half.fromMs },
    { fromMs: half.toMs, toMs: day(0).toMs },
  ])
})

test('a table that was partitioned with its rows begins without a bound', () => {
  const before = { name: 'before', fromMs: Number.NEGATIVE_INFINITY, toMs: day(1).toMs }
  expect(planRotation([before], POLICY, NOON).create.map(({ fromMs }) => fromMs)).toEqual([
    day(2).fromMs,
    day(3).fromMs,
  ])
})

test('intervals ahead end at the first gap', () => {
  expect(intervalsAhead([0, 1, 2, 3].map(day), DAY, NOON)).toBe(3)
  expect(intervalsAhead([0, 1, 3].map(day), DAY, NOON)).toBe(1)
  expect(intervalsAhead([], DAY, NOON)).toBe(0)
})

const HOUR = 3_600_000
const arbitraryPartitions = fc
  .uniqueArray(fc.integer({ min: -20, max: 20 }), { minLength: 2, maxLength: 12 })
  .map((cuts) => {
    const sorted = cuts.sort((left, right) => left - right)
    return sorted.flatMap((from, index): RangePartition[] => {
      const to = sorted[index + 1]
      if (to === undefined || index % 3 === 2) return []
      return [{ name: `${from}`, fromMs: NOON + from * HOUR, toMs: NOON + to * HOUR }]
    })
  })

test('whatever there is and however the clock jumps, a plan covers its window, without overlap, once', () => {
  const clocks = fc.array(fc.integer({ min: -30, max: 60 }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(arbitraryPartitions, clocks, (initial, hours) => {
      let partitions: readonly RangePartition[] = initial
      const policy = { intervalMs: 4 * HOUR, retentionMs: 6 * HOUR }
      for (const hour of hours) {
        const nowMs = NOON + hour * HOUR
        const plan = planRotation(partitions, policy, nowMs)
        const created = plan.create.map((range) => ({ ...range, name: `c${range.fromMs}` }))
        partitions = [...partitions, ...created].filter(
          (partition) => !plan.retire.includes(partition),
        )
        expectDisjoint(partitions)
        expect(isCovered(partitions, nowMs - 4 * HOUR, nowMs + 12 * HOUR)).toBe(true)
        expect(planRotation(partitions, policy, nowMs)).toEqual({ create: [], retire: [] })
        expect(intervalsAhead(partitions, policy.intervalMs, nowMs)).toBeGreaterThanOrEqual(3)
      }
    }),
  )
})

function expectDisjoint(ranges: readonly TimeRange[]): void {
  const sorted = [...ranges].sort((left, right) => left.fromMs - right.fromMs)
  for (const [index, range] of sorted.entries()) {
    expect(range.fromMs).toBeLessThan(range.toMs)
    expect(range.toMs).toBeLessThanOrEqual(sorted[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY)
  }
}

function isCovered(ranges: readonly TimeRange[], fromMs: number, toMs: number): boolean {
  for (let moment = fromMs; moment < toMs; moment += HOUR / 2) {
    if (!ranges.some((range) => range.fromMs <= moment && moment < range.toMs)) return false
  }
  return true
}
