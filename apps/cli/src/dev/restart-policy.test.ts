import { expect, test } from 'vitest'
import { RestartPolicy } from './restart-policy.ts'

/** Draws the whole of the random half, so that a delay is its ceiling. */
const LONGEST = { int: (bound: number) => bound - 1 }

test('each death in a row doubles the delay, up to five seconds', () => {
  const policy = new RestartPolicy(LONGEST)
  const delays = Array.from({ length: 7 }, () => policy.delayAfterDeathMs(100))
  expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000])
})

test('a process that ran for a while starts again from the first delay', () => {
  const policy = new RestartPolicy(LONGEST)
  for (let death = 0; death < 5; death += 1) policy.delayAfterDeathMs(100)
  expect(policy.delayAfterDeathMs(10_000)).toBe(250)
  expect(policy.delayAfterDeathMs(100)).toBe(500)
})
