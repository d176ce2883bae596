import { systemTimers } from '@fairlead/runtime'
import { beforeEach, expect, test } from 'vitest'
import type { CloseReason } from './close-kind.ts'
import type { Connection } from './connection.ts'
import { Load } from './load.ts'
import { MemoryGuard } from './memory-guard.ts'
import { RequestMemory } from './request-memory.ts'

const LIMIT_BYTES = 1_000
let residentBytes: number
let nowMs: number
let collections: number
let freedBytes: number
let closed: string[]
let memory: RequestMemory
let load: Load
let guard: MemoryGuard
let warnings: string[]

beforeEach(() => {
  residentBytes = 0
  nowMs = 100_000
  collections = 0
  freedBytes = 0
  closed = []
  warnings = []
  memory = new RequestMemory({ bulkBytes: 600_000, reserveBytes: 100 })
  load = new Load({ queuedRequestsMax: 10, unsentBytesMax: 10 })
  guard = new MemoryGuard({
    limitBytes: LIMIT_BYTES,
    residentBytes: () => residentBytes,
    collectGarbage: () => {
      collections += 1
      residentBytes -= freedBytes
    },
    memory,
    load,
    connections: () => [peer('light', 10), peer('heavy', 60), peer('idle', 0), peer('heavier', 70)],
    clock: { nowMs: () => nowMs, wallNowMs: () => nowMs },
    timers: systemTimers,
    logger: { warn: (_, message) => warnings.push(message) },
  })
})

function peer(name: string, heldBytes: number): Connection {
  const close = ({ kind }: CloseReason): void => {
    closed.push(`${name}: ${kind}`)
  }
  return { heldBytes, close } as unknown as Connection
}

function at(bytes: number): void {
  residentBytes = bytes
  guard.sample()
}

test('well below the limit nothing happens', () => {
  at(800)
  expect([collections, guard.isShort, closed]).toEqual([0, false, []])
})

test('garbage is collected first, and that may be enough', () => {
  freedBytes = 400
  at(950)
  expect([collections, guard.isShort, closed]).toEqual([1, false, []])
})

test('a collection that frees little is repeated less and less often', () => {
  for (; nowMs < 400_000; nowMs += 1_000) at(850)
  expect(collections).toBeLessThan(12)
  freedBytes = 300
  nowMs += 60_000
  at(850)
  const before = collections
  nowMs += 2_000
  at(850)
  expect(collections).toBe(before + 1)
})

test('near the limit garbage is collected every ten seconds, however little the last one freed', () => {
  for (; nowMs < 400_000; nowMs += 1_000) at(850)
  const before = collections
  for (; nowMs < 500_000; nowMs += 1_000) at(910)
  expect(collections - before).toBeGreaterThanOrEqual(9)
  expect(collections - before).toBeLessThanOrEqual(11)
})

test('near the limit requests come one at a time, until there is enough again', () => {
  at(901)
  expect([guard.isShort, load.isHigh, closed]).toEqual([true, true, []])
  expect(memory.small.tryAcquire(50)).toBe(true)
  expect(memory.small.tryAcquire(10)).toBe(false)
  expect(memory.reserve.tryAcquire(50) && memory.reserve.tryAcquire(50)).toBe(true)
  at(870)
  expect(guard.isShort).toBe(true)
  at(840)
  expect([guard.isShort, load.isHigh]).toEqual([false, false])
  expect(memory.small.tryAcquire(10)).toBe(true)
  expect(warnings.map((line) => line.split(':')[0])).toEqual([
    'memory is short',
    'memory is no longer short',
  ])
})

test('at the limit the connections that hold most are closed, and no more of them than it takes', () => {
  at(1_000)
  expect(closed).toEqual(['heavier: memory', 'heavy: memory'])
  expect(guard.shedTotal).toBe(2)
})

test('who waits for memory while it is short is served one by one', () => {
  const served: string[] = []
  memory.small.tryAcquire(250_000)
  memory.small.wait(9_000, () => served.push('first'))
  memory.small.wait(9_000, () => served.push('second'))
  at(901)
  memory.small.release(10_000)
  expect(served).toEqual([])
  memory.small.release(240_000)
  expect(served).toEqual(['first'])
  at(800)
  expect(served).toEqual(['first', 'second'])
})
