import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FETCH_MINIMUM_BYTES } from '../limits.ts'
import { Departure } from '../network/departure.ts'
import { FetchMemory } from './fetch-memory.ts'

const CAPACITY_BYTES = 16 * FETCH_MINIMUM_BYTES
const PATIENT = { delayMs: 60_000, departure: new Departure() }

/** With timers that run when told to. */
function setUp() {
  const due = new Map<() => void, number>()
  const memory = new FetchMemory(CAPACITY_BYTES, {
    after: (delayMs, callback) => {
      due.set(callback, delayMs)
      return () => due.delete(callback)
    },
  })
  return { memory, due }
}

test('a fetch gets a part of what is free, and what it wants when that is little', async () => {
  const { memory } = setUp()
  expect(await memory.take(10, PATIENT)).toBe(10)
  memory.release(10)
  expect(await memory.take(CAPACITY_BYTES, PATIENT)).toBe(CAPACITY_BYTES / 4)
  expect(await memory.take(CAPACITY_BYTES, PATIENT)).toBe((CAPACITY_BYTES * 3) / 16)
  expect(await memory.take(0, PATIENT)).toBe(0)
})

test('without room a fetch waits, and goes on in turn', async () => {
  const { memory } = setUp()
  const granted = (await memory.take(10, PATIENT)) ?? 0
  memory.settle(granted, CAPACITY_BYTES)
  const served: string[] = []
  const first = memory.take(5, PATIENT).then(() => served.push('first'))
  const second = memory.take(5, PATIENT).then(() => served.push('second'))
  memory.settle(0, 0)
  await Promise.resolve()
  expect(served).toEqual([])
  memory.release(CAPACITY_BYTES)
  await first
  memory.release(5)
  await second
  expect(served).toEqual(['first', 'second'])
})

test('a fetch waits for room no longer than its client, and leaves nothing behind', async () => {
  const { memory, due } = setUp()
  memory.settle(0, CAPACITY_BYTES)
  const departure = new Departure()
  expect(await memory.take(5, { delayMs: 0, departure })).toBeUndefined()
  const late = memory.take(5, { delayMs: 500, departure: new Departure() })
  const left = memory.take(5, { delayMs: 700, departure })
  const served = memory.take(5, PATIENT)
  expect([...due.values()]).toEqual([500, 700, PATIENT.delayMs])
  for (const [callback, delayMs] of due) if (delayMs === 500) callback()
  departure.announce()
  expect(await Promise.all([late, left])).toEqual([undefined, undefined])
  memory.release(CAPACITY_BYTES)
  expect(await served).toBe(5)
  expect([due.size, memory.usedBytes]).toEqual([0, 5])
})

test('everything comes back, and nobody is forgotten', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: CAPACITY_BYTES * 2 }), { maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(sizes, async (reads) => {
      const { memory } = setUp()
      await Promise.all(
        reads.map(async (readBytes) => {
          const granted = (await memory.take(readBytes, PATIENT)) ?? 0
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
