import { expect, test } from 'vitest'
import { NEVER_RETRIED, nextTryDelayMs, parkedRetryOf } from './parked-retry.ts'

const POLICY = { retries: 4, baseMs: 1_000, maxMs: 3_000 }
const least = { int: () => 0 }
const most = { int: (bound: number) => bound - 1 }

const delaysMs = (random: typeof most) =>
  [0, 1, 2, 3, 4].map((timedTries) => nextTryDelayMs(POLICY, { mayPass: true, timedTries }, random))

test('tries are further and further apart, up to a bound, and end', () => {
  expect(delaysMs(most)).toEqual([1_000, 2_000, 3_000, 3_000, null])
  expect(delaysMs(least)).toEqual([500, 1_000, 1_500, 1_500, null])
})

test('what cannot pass is not tried', () => {
  expect(nextTryDelayMs(POLICY, { mayPass: false, timedTries: 0 }, most)).toBeNull()
})

test('a projection that nobody has configured is not tried', () => {
  expect(parkedRetryOf({})).toEqual(NEVER_RETRIED)
  expect(nextTryDelayMs(parkedRetryOf({}), { mayPass: true, timedTries: 0 }, most)).toBeNull()
  expect(parkedRetryOf({ retryParked: POLICY })).toEqual(POLICY)
})
