import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FETCH_MINIMUM_BYTES } from '../limits.ts'
import { FetchMemory } from './fetch-memory.ts'

const CAPACITY_BYTES = 16 * FETCH_MINIMUM_BYTES

test('a fetch gets a part of what is free, and what it wants when that is little', async () => {
  const memory = new FetchMemory(CAPACITY_BYTES)
  expect(await memory.take(10)).toBe(10)
  memory.release(10)
  expect(await memory.take(CAPACITY_BYTES)).toBe(CAPACITY_BYTES / 4)
  expect(await memory.take(CAPACITY_BYTES)).toBe((CAPACITY_BYTES * 3) / 16)
  expect(await memory.take(0)).toBe(0)
})

test('without room a fetch waits, and goes on in turn', async () => {
  const memory = new FetchMemory(CAPACITY_BYTES)
  const granted = await memory.take(10)
  memory.settle(granted, CAPACITY_BYTES)
  const served: string[] = []
  const first = memory.take(5).then(() => served.push('first'))
  const second = memory.take(5).then(() => served.push('second'))
  memory.settle(0, 0)
  await Promise.resolve()
  expect(served).toEqual([])
  memory.release(CAPACITY_BYTES)
  await first
  memory.release(5)
  await second
  expect(served).toEqual(['first', 'second'])
})

test('everything comes back, and nobody is forgotten', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: CAPACITY_BYTES * 2 }), { maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(sizes, async (reads) => {
      const memory = new FetchMemory(CAPACITY_BYTES)
      await Promise.all(
        reads.map(async (readBytes) => {
          const granted = await memory.take(readBytes)
          memory.settle(granted, readBytes)
          await Promise.resolve()
          memory.release(readBytes)
        }),
      )
      expect(memory.usedBytes).toBe(0)
    }),
    { numRuns: 50 },
  )
})
