import { expect, test } from 'vitest'
import { inParallel } from './in-parallel.ts'

test('no more than the limit run at a time, and results have the order of their items', async () => {
  let running = 0
  let most = 0
  const results = await inParallel(3, [5, 4, 3, 2, 1, 0], async (item) => {
    running += 1
    most = Math.max(most, running)
    for (let turn = 0; turn < item; turn += 1) await Promise.resolve()
    running -= 1
    return item * 2
  })
  expect(results).toEqual([10, 8, 6, 4, 2, 0])
  expect(most).toBe(3)
})

test('after a failure nothing further begins', async () => {
  const begun: number[] = []
  const mapping = inParallel(2, [1, 2, 3, 4], async (item) => {
    begun.push(item)
    await Promise.resolve()
    if (item === 1) throw new Error('no')
  })
  await expect(mapping).rejects.toThrow('no')
  expect(begun.length).toBeLessThan(4)
})
