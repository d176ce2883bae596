import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EFFECT_TIMEOUT_MS, haveEffects } from './apply-batch.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

test('effects happen one after the other; one that fails or never ends is told, and left behind', async () => {
  const done: string[] = []
  const told: string[] = []
  const effects = [
    () => {
      throw new Error('at once')
    },
    () => Promise.reject(new Error('later')),
    () => new Promise<void>(() => undefined),
    async () => {
      done.push('last')
    },
  ]
  const all = haveEffects(effects, { codeFailed: (error) => told.push(String(error)) })
  await vi.advanceTimersByTimeAsync(EFFECT_TIMEOUT_MS - 1)
  expect(done).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  await all
  expect(done).toEqual(['last'])
  expect(told).toEqual([
    'Error: at once',
    'Error: later',
    `Error: an effect did not end within ${EFFECT_TIMEOUT_MS} ms`,
  ])
  expect(vi.getTimerCount()).toBe(0)
})
