import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runInLanes } from './run-in-lanes.ts'

test('whatever each item takes, each key has its order, within the bound, and nothing is left out', async () => {
  const item = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), delayMs: fc.nat({ max: 3 }) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(item, { maxLength: 25 }),
      fc.integer({ min: 1, max: 5 }),
      async (items, lanesMax) => {
        const running = new Map<string, number>()
        const ended: (readonly [key: string, index: number])[] = []
        await runInLanes(items.entries(), {
          lanesMax,
          keyOf: ([, { key }]) => key,
          run: async ([index, { key, delayMs }]) => {
            expect(running.has(key)).toBe(false)
            running.set(key, index)
            expect(running.size).toBeLessThanOrEqual(lanesMax)
            if (delayMs > 0) await sleep(delayMs)
            running.delete(key)
            ended.push([key, index])
          },
        })
        expect(ended).toHaveLength(items.length)
        for (const [, ofKey] of Map.groupBy(ended, ([key]) => key)) {
          const indexes = ofKey.map(([, index]) => index)
          expect(indexes).toEqual(indexes.toSorted((a, b) => a - b))
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('one lane takes all items in their order, whatever their keys', async () => {
  const begun: number[] = []
  const run = async (item: number): Promise<void> => void begun.push(item)
  await runInLanes([1, 2, 3, 4, 5], { lanesMax: 1, keyOf: (item) => String(item % 2), run })
  expect(begun).toEqual([1, 2, 3, 4, 5])
})

test('after a failure nothing is begun; what runs is waited for', async () => {
  const begun: string[] = []
  const slow = Promise.withResolvers<void>()
  let isSlowOver = false
  const all = runInLanes(['slow', 'broken', 'c', 'd'], {
    lanesMax: 2,
    keyOf: (key) => key,
    run: async (key) => {
      begun.push(key)
      if (key === 'broken') throw new Error('broken')
      await slow.promise
      isSlowOver = true
    },
  })
  const failure = all.catch((error: unknown) => ({ error, isSlowOver }))
  slow.resolve()
  expect(await failure).toMatchObject({ error: { message: 'broken' }, isSlowOver: true })
  expect(begun).toEqual(['slow', 'broken'])
})
