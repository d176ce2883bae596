import { offset } from '@fairlead/base'
import type { PartitionLog, ReadRequest, ReadResult } from '@fairlead/log'
import { describe, expect, test, vi } from 'vitest'
import { READ_AHEAD_MS } from '../limits.ts'
import { Departure } from '../network/departure.ts'
import { FetchMemory } from './fetch-memory.ts'
import { ReadAhead } from './read-ahead.ts'

/** Of which a quarter may be read ahead. */
const CAPACITY_BYTES = 16_000
const MAX_BYTES = 1_000
const REQUEST = { fetchOffset: 5, maxBytes: MAX_BYTES, upTo: 9, isHardLimit: false }

/** A log of which each read waits for its answer, and timers that run when told to. */
function setUp() {
  const due = new Map<() => void, number>()
  const timers = {
    after: (delayMs: number, callback: () => void) => {
      due.set(callback, delayMs)
      return () => due.delete(callback)
    },
  }
  const answers: ((result: ReadResult) => void)[] = []
  const requests: ReadRequest[] = []
  const state = { isInTail: false }
  const log = {
    isInTail: () => state.isInTail,
    read: (request: ReadRequest, done: (result: ReadResult) => void) => {
      requests.push(request)
      answers.push(done)
    },
  } as unknown as PartitionLog
  const departure = new Departure()
  const memory = new FetchMemory(CAPACITY_BYTES, timers)
  const readAhead = new ReadAhead({ timers, departure })
  const begin = () => readAhead.begin({ log, fetchOffset: 5, maxBytes: MAX_BYTES, upTo: 9 }, memory)
  const release = vi.fn<() => void>()
  const answer = async (sizeBytes = 800) => {
    const chunks = sizeBytes === 0 ? [] : [new Uint8Array(sizeBytes)]
    const nextOffset = offset(8)
    const result = {
      ok: true,
      chunks,
      sizeBytes,
      heldBytes: Math.max(sizeBytes, 64),
      nextOffset,
      release,
    } as const
    for (const done of answers.splice(0)) done(result)
    await settle()
    return result
  }
  return {
    readAhead,
    log,
    requests,
    state,
    departure,
    memory,
    due,
    begin,
    answer,
    answers,
    release,
  }
}

async function settle(): Promise<void> {
  for (let step = 0; step < 5; step += 1) await Promise.resolve()
}

describe('what was read ahead', () => {
  test('is handed over once, with its memory', async () => {
    const { readAhead, log, requests, memory, due, begin, answer, release } = setUp()
    begin()
    expect(memory.usedBytes).toBe(MAX_BYTES)
    expect(requests).toEqual([{ fetchOffset: 5, maxBytes: MAX_BYTES, upTo: 9, isHardLimit: true }])
    const result = await answer()
    expect(memory.usedBytes).toBe(800)
    expect(await readAhead.take(log, REQUEST)).toBe(result)
    expect(readAhead.take(log, REQUEST)).toBeUndefined()
    readAhead.drop()
    await settle()
    expect([memory.usedBytes, due.size, release.mock.calls.length]).toEqual([0, 0, 0])
  })

  test('is waited for when it is asked for before it is there', async () => {
    const { readAhead, log, memory, begin, answer } = setUp()
    begin()
    const taken = readAhead.take(log, REQUEST)
    const result = await answer()
    expect(await taken).toBe(result)
    expect(memory.usedBytes).toBe(0)
  })

  test.for([
    { what: 'another offset', request: { ...REQUEST, fetchOffset: 6 } },
    { what: 'fewer bytes', request: { ...REQUEST, maxBytes: MAX_BYTES - 1 } },
    { what: 'records up to a lower offset', request: { ...REQUEST, upTo: 8 } },
  ])('is not what is asked for with $what', async ({ request }) => {
    const { readAhead, log, memory, begin, answer, release } = setUp()
    begin()
    await answer()
    expect(readAhead.take(log, request)).toBeUndefined()
    readAhead.drop()
    await settle()
    expect([memory.usedBytes, release.mock.calls.length]).toEqual([0, 1])
  })

  test('is not what another log is asked for', async () => {
    const { readAhead, begin, answer } = setUp()
    begin()
    await answer()
    expect(readAhead.take(setUp().log, REQUEST)).toBeUndefined()
  })

  test.for(['for too long', 'of a peer that left', 'under way, of a peer that left'])(
    'and is kept %s is given back',
    async (how) => {
      const { readAhead, log, departure, memory, due, begin, answer, release } = setUp()
      begin()
      if (!how.startsWith('under way')) await answer()
      expect([...due.values()]).toEqual([READ_AHEAD_MS])
      if (how === 'for too long') for (const expire of due.keys()) expire()
      else departure.end()
      await answer()
      expect([memory.usedBytes, due.size, release.mock.calls.length]).toEqual([0, 0, 1])
      expect(readAhead.take(log, REQUEST)).toBeUndefined()
    },
  )

  test('makes way for what is read ahead next', async () => {
    const { memory, begin, answer, release } = setUp()
    begin()
    await answer()
    begin()
    await answer()
    expect([memory.usedBytes, release.mock.calls.length]).toEqual([800, 1])
  })

  test('and is empty, before a batch that is larger, is of no use', async () => {
    const { readAhead, log, memory, begin, answer, release } = setUp()
    begin()
    await answer(0)
    expect(await readAhead.take(log, REQUEST)).toBeUndefined()
    expect([memory.usedBytes, release.mock.calls.length]).toEqual([0, 1])
  })

  test('and failed is told, once', async () => {
    const { readAhead, log, memory, begin, answers } = setUp()
    begin()
    const failed = { ok: false, errorCode: 'KAFKA_STORAGE_ERROR', message: 'EIO' } as const
    answers[0]?.(failed)
    expect(await readAhead.take(log, REQUEST)).toBe(failed)
    expect(readAhead.take(log, REQUEST)).toBeUndefined()
    begin()
    answers[1]?.(failed)
    readAhead.drop()
    await settle()
    expect(memory.usedBytes).toBe(0)
  })
})

test('nothing is read ahead from the tail, without spare memory, or for a peer that left', async () => {
  const { state, departure, memory, requests, begin } = setUp()
  state.isInTail = true
  begin()
  state.isInTail = false
  memory.settle(0, 3_001)
  begin()
  memory.settle(3_001, 0)
  departure.announce()
  begin()
  expect([requests, memory.usedBytes]).toEqual([[], 0])
})
