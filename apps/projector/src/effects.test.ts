import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Effect, EFFECT_TIMEOUT_MS, EffectsGivenUp, haveEffects } from './effects.ts'

const { signal } = new AbortController()

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

test('effects happen one after the other; one that fails or never ends is told, and left behind', async () => {
  const done: string[] = []
  const told: string[] = []
  const runs: readonly Effect['run'][] = [
    () => {
      throw new Error('at once')
    },
    () => Promise.reject(new Error('later')),
    () => new Promise<void>(() => undefined),
    async () => {
      done.push('last')
    },
  ]
  const effects = runs.map((run, index) => ({ key: `k${index % 2}`, run }))
  const codeFailed = (error: unknown) => void told.push(String(error))
  const all = haveEffects(effects, { lanesMax: 1, codeFailed, signal })
  await vi.advanceTimersByTimeAsync(EFFECT_TIMEOUT_MS - 1)
  expect(done).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  await all
  expect(done).toEqual(['last'])
  expect(told).toEqual([
    'Error: at once',
    'Error: later',
    `OperationalError: an effect did not end within ${EFFECT_TIMEOUT_MS} ms`,
  ])
  expect(vi.getTimerCount()).toBe(0)
})

test('an effect that never ends holds up those of its key, and no others', async () => {
  const done: string[] = []
  const effectOf = (key: string): Effect => ({
    key,
    run: () =>
      key === 'stuck' && done.length === 0
        ? new Promise<void>(() => undefined)
        : Promise.resolve(void done.push(key)),
  })
  const effects = ['stuck', 'a', 'stuck', 'b', 'a'].map(effectOf)
  const all = haveEffects(effects, { lanesMax: 2, codeFailed: () => undefined, signal })
  await vi.advanceTimersByTimeAsync(0)
  expect(done).toEqual(['a', 'b', 'a'])
  await vi.advanceTimersByTimeAsync(EFFECT_TIMEOUT_MS)
  await all
  expect(done).toEqual(['a', 'b', 'a', 'stuck'])
})

test('once the partition is given up no effect is begun or waited for, and all of them are told', async () => {
  const given = new AbortController()
  const begun: string[] = []
  const told: string[] = []
  let ended: AbortSignal | undefined
  const effects = ['a', 'b', 'a', 'c'].map(
    (key): Effect => ({
      key,
      run: (context) => {
        begun.push(key)
        ended = context.signal
        return key === 'b' ? new Promise<void>(() => undefined) : Promise.resolve()
      },
    }),
  )
  const all = haveEffects(effects, {
    lanesMax: 1,
    codeFailed: (error) => void told.push(String(error)),
    signal: given.signal,
  })
  await vi.advanceTimersByTimeAsync(0)
  expect(begun).toEqual(['a', 'b'])
  given.abort(new EffectsGivenUp('an effect did not end'))
  await all
  expect(ended?.aborted).toBe(true)
  expect(begun).toEqual(['a', 'b'])
  expect(told).toEqual([
    'OperationalError: an effect did not end before the partition was given up',
    'OperationalError: 2 effects were not begun before the partition was given up',
  ])
})
