import { expect, test } from 'vitest'
import { WalBudget } from './wal-budget.ts'

const MIB = 1_048_576

function budget(budgetBytes?: number): WalBudget {
  return new WalBudget({ budgetBytes, warningPercent: 50, criticalPercent: 80 })
}

function reading(retainedBytes: number, given: { safeWalBytes?: number; atMs?: number } = {}) {
  const { safeWalBytes = null, atMs = 0 } = given
  return { atMs, retainedBytes, safeWalBytes, isLost: false }
}

test.for([
  { used: 49, level: 'ok' },
  { used: 50, level: 'warning' },
  { used: 79, level: 'warning' },
  { used: 80, level: 'critical' },
  { used: 99, level: 'critical' },
  { used: 100, level: 'exhausted' },
  { used: 250, level: 'exhausted' },
] as const)('$used percent of the budget are $level', ({ used, level }) => {
  expect(budget(100 * MIB).observe(reading(used * MIB))).toMatchObject({ level })
})

test('the limit is the nearer of the budget and what Postgres keeps', () => {
  const limits = [
    budget().observe(reading(10)).limitBytes,
    budget(100).observe(reading(10)).limitBytes,
    budget(100).observe(reading(10, { safeWalBytes: 40 })).limitBytes,
    budget(30).observe(reading(10, { safeWalBytes: 40 })).limitBytes,
    // In danger: Postgres removes it at its next checkpoint.
    budget().observe(reading(60, { safeWalBytes: -10 })).limitBytes,
  ]
  expect(limits).toEqual([null, 100, 50, 30, 50])
  expect(budget().observe(reading(60, { safeWalBytes: -10 })).level).toBe('exhausted')
})

test('without a limit nothing is at risk, as far as is known', () => {
  expect(budget().observe(reading(10 ** 12))).toMatchObject({ level: 'ok', usedRatio: null })
})

test('a slot that has lost its WAL says so, whatever it keeps', () => {
  expect(budget(100).observe({ ...reading(0), isLost: true }).level).toBe('lost')
})

test('the forecast is what is left at the growth of the last five minutes', () => {
  const watched = budget(1_000 * MIB)
  expect(watched.observe(reading(100 * MIB)).etaSeconds).toBeNull()
  // Too short a time to tell.
  expect(watched.observe(reading(110 * MIB, { atMs: 5_000 })).etaSeconds).toBeNull()
  const later = watched.observe(reading(200 * MIB, { atMs: 50_000 }))
  expect(later.growthBytesPerSecond).toBe(2 * MIB)
  expect(later.etaSeconds).toBe(400)
  // What was before the window counts no more: it stands still, and then shrinks.
  expect(watched.observe(reading(200 * MIB, { atMs: 349_999 }))).toMatchObject({
    growthBytesPerSecond: 0,
    etaSeconds: null,
  })
  const shrinking = watched.observe(reading(150 * MIB, { atMs: 370_000 }))
  expect(shrinking.growthBytesPerSecond).toBeLessThan(0)
  expect(shrinking.etaSeconds).toBeNull()
})
