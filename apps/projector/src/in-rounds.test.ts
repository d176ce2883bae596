import { expect, test } from 'vitest'
import { inRounds } from './in-rounds.ts'

test('a round that fails is told of, and the next one is done all the same', async () => {
  const stopping = new AbortController()
  const failures: unknown[] = []
  let roundCount = 0
  const round = async (): Promise<void> => {
    roundCount += 1
    if (roundCount === 1) throw new Error('away')
    stopping.abort()
  }
  const failed = (error: unknown): void => void failures.push(error)
  await inRounds(round, { signal: stopping.signal, failed, intervalMs: 1 })
  expect(roundCount).toBe(2)
  expect(failures).toEqual([new Error('away')])
})

test('the wait for the next round ends with the signal', async () => {
  const stopping = new AbortController()
  const ended = inRounds(() => Promise.resolve(), {
    signal: stopping.signal,
    failed: () => undefined,
  })
  stopping.abort()
  await expect(ended).resolves.toBeUndefined()
})
