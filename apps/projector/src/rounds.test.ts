import { expect, test } from 'vitest'
import { Rounds } from './rounds.ts'

test('a round that fails is told of, and the next one is done all the same', async () => {
  const failures: unknown[] = []
  const isSecond = Promise.withResolvers<void>()
  let roundCount = 0
  const round = async (): Promise<void> => {
    roundCount += 1
    if (roundCount === 1) throw new Error('away')
    isSecond.resolve()
  }
  const failed = (error: unknown): void => void failures.push(error)
  const rounds = new Rounds(round, { failed, intervalMs: 1 })
  await isSecond.promise
  await rounds.stop()
  expect(failures).toEqual([new Error('away')])
})

test('the wait for the next round ends with a stop, which waits for the one under way', async () => {
  const under = Promise.withResolvers<void>()
  const isBegun = Promise.withResolvers<void>()
  let isOver = false
  const round = async (): Promise<void> => {
    isBegun.resolve()
    await under.promise
    isOver = true
  }
  const rounds = new Rounds(round, { failed: () => undefined })
  await isBegun.promise
  const stopped = rounds.stop()
  expect(rounds.signal.aborted).toBe(true)
  under.resolve()
  await stopped
  expect(isOver).toBe(true)
})
