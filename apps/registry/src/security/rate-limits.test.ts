import { expect, test } from 'vitest'
import { RateLimits } from './rate-limits.ts'

const limits = (perSecond: number, perClientPerSecond: number) => {
  let now = 0
  const all = new RateLimits({ perSecond, perClientPerSecond, nowMs: () => now })
  const take = (client: string, times: number): unknown[] =>
    Array.from({ length: times }, () => {
      try {
        all.take(client)
        return 'taken'
      } catch (error) {
        return (error as { readonly retryAfterSeconds: number }).retryAfterSeconds
      }
    })
  return { take, pass: (ms: number) => void (now += ms) }
}

test('one second of requests at once, and then as many as come per second', () => {
  const { take, pass } = limits(100, 2)
  expect(take('a', 3)).toEqual(['taken', 'taken', 1])
  pass(500)
  expect(take('a', 2)).toEqual(['taken', 1])
  pass(60_000)
  expect(take('a', 3)).toEqual(['taken', 'taken', 1])
})

test('one client does not spend the requests of another', () => {
  const { take } = limits(100, 1)
  expect(take('a', 50)).toContain(1)
  expect(take('b', 1)).toEqual(['taken'])
})

test('all of them together have a limit, which refused ones do not spend', () => {
  const { take } = limits(3, 2)
  expect(take('a', 10).filter((each) => each === 'taken')).toHaveLength(2)
  expect(take('b', 2)).toEqual(['taken', 1])
})

test('a forgotten client starts anew, and the number of clients stays bounded', () => {
  const { take } = limits(1_000_000, 1)
  expect(take('first', 2)).toEqual(['taken', 1])
  for (let client = 0; client < 10_000; client += 1) take(`other-${client}`, 1)
  expect(take('first', 1)).toEqual(['taken'])
})
