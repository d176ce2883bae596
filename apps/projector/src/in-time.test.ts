import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { inTime } from './in-time.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

/** Never ends by itself. */
function stuck(signals: AbortSignal[]) {
  return (signal: AbortSignal): Promise<never> => {
    signals.push(signal)
    return new Promise(() => undefined)
  }
}

test('what takes too long is told so', async () => {
  const signals: AbortSignal[] = []
  const waiting = inTime(stuck(signals), { timeoutMs: 1_000, what: 'a look-up' })
  const refused = waiting.catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await refused).toMatchObject({ code: 'ETIMEDOUT' })
  expect(signals.map(({ aborted }) => aborted)).toEqual([true])
})

test('what nobody waits for is told so, with the reason', async () => {
  const signals: AbortSignal[] = []
  const gone = new AbortController()
  const limit = { timeoutMs: 1_000, what: 'a look-up', signal: gone.signal }
  const refused = inTime(stuck(signals), limit).catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(1)
  const reason = new Error('the worker stops')
  gone.abort(reason)
  expect(await refused).toBe(reason)
  expect(signals.map(({ reason }) => String(reason))).toEqual(['Error: the worker stops'])
})

test('what ends in time is told nothing', async () => {
  const signals: AbortSignal[] = []
  const run = (signal: AbortSignal): string => {
    signals.push(signal)
    return 'found'
  }
  expect(await inTime(run, { timeoutMs: 1_000, what: 'a look-up' })).toBe('found')
  await vi.advanceTimersByTimeAsync(2_000)
  expect(signals.map(({ aborted }) => aborted)).toEqual([false])
})
