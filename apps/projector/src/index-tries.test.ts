import { expect, test } from 'vitest'
import { IndexTries } from './index-tries.ts'

const MINUTE_MS = 60_000

test('an index that fails is tried again after one minute, two, four, and at last once an hour', () => {
  let nowMs = 0
  const tries = new IndexTries(() => nowMs)
  const delays = Array.from({ length: 8 }, () => {
    expect(tries.isDue('by_balance')).toBe(true)
    const delayMs = tries.failed('by_balance')
    nowMs += delayMs - 1
    expect(tries.isDue('by_balance')).toBe(false)
    nowMs += 1
    return delayMs / MINUTE_MS
  })
  expect(delays).toEqual([1, 2, 4, 8, 16, 32, 60, 60])
})

test('an index does not wait for another one, and begins anew once it was made', () => {
  const tries = new IndexTries(() => 0)
  tries.failed('by_balance')
  expect(tries.isDue('by_note')).toBe(true)
  tries.made('by_balance')
  expect(tries.isDue('by_balance')).toBe(true)
  expect(tries.failed('by_balance')).toBe(MINUTE_MS)
})

test('an index that is refused is never due', () => {
  let nowMs = 0
  const tries = new IndexTries(() => nowMs)
  tries.refused('by_balance')
  nowMs = Number.MAX_SAFE_INTEGER
  expect(tries.isDue('by_balance')).toBe(false)
})
