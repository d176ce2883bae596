import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type BatchAnswer,
  PRECEDING_RECORD_REJECTED,
  PartitionQueue,
  type QueuedBatch,
} from './partition-queue.ts'
import { recordSizeBytesMax } from './record-batch-encoder.ts'
import { RejectedKeys } from './rejected-keys.ts'

type Batch = QueuedBatch

const options = {
  producerId: 1,
  producerEpoch: 0,
  isTransactional: false,
  sizeBytesMax: 10_000,
  compression: 'none',
} as const

function queueOf(count: number): PartitionQueue {
  const queue = new PartitionQueue('t', 0)
  for (let owner = 0; owner < count; owner += 1) enqueue(queue, owner)
  return queue
}

function enqueue(queue: PartitionQueue, owner: number): void {
  const value = Buffer.from(String(owner))
  const record = { topic: 't', partition: 0, key: null, value, headers: [], timestampMs: 0 }
  queue.enqueue({
    record,
    sizeBytesMax: recordSizeBytesMax(record),
    send: { deadlineMs: 1, rejectedKeys: new RejectedKeys() },
    recordIndex: owner,
  })
}

function take(queue: PartitionQueue): Batch {
  const batch = queue.take(options)
  if (batch === undefined) throw new Error('nothing to take')
  return batch
}

function answer(code: string, changes: Partial<BatchAnswer> = {}): BatchAnswer {
  return { code, message: code, baseOffset: code === 'NONE' ? 0 : -1, recordErrors: [], ...changes }
}

const owners = (batch: Batch) => batch.items.map(({ recordIndex }) => recordIndex)

describe('a batch whose answer is lost', () => {
  test('is sent again with the same bytes, before anything newer', () => {
    const queue = queueOf(2)
    const first = take(queue)
    queue.unanswered(true)
    enqueue(queue, 2)
    const second = take(queue)
    expect(second.bytes).toBe(first.bytes)
    queue.answered(answer('NONE'))
    expect(take(queue)).toMatchObject({ baseSequence: 2 })
  })

  test('is stored when the broker calls it a duplicate', () => {
    const queue = queueOf(1)
    take(queue)
    queue.unanswered(true)
    take(queue)
    expect(queue.answered(answer('DUPLICATE_SEQUENCE_NUMBER'))).toMatchObject({ kind: 'stored' })
  })

  test.for(['MESSAGE_TOO_LARGE', 'INVALID_RECORD', 'INVALID_TOPIC_EXCEPTION'])(
    'ends the producer when its retry is refused with %s',
    (code) => {
      const queue = queueOf(2)
      take(queue)
      queue.unanswered(true)
      take(queue)
      expect(queue.answered(answer(code))).toEqual({ kind: 'fatal' })
    },
  )
})

test.for([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'UNKNOWN_SERVER_ERROR',
  'TOPIC_AUTHORIZATION_FAILED',
])('%s ends the producer', (code) => {
  const queue = queueOf(1)
  take(queue)
  expect(queue.answered(answer(code))).toEqual({ kind: 'fatal' })
})

test.for(['NOT_LEADER_OR_FOLLOWER', 'REQUEST_TIMED_OUT', 'NOT_ENOUGH_REPLICAS', 'CORRUPT_MESSAGE'])(
  '%s is tried again with the same bytes',
  (code) => {
    const queue = queueOf(1)
    const first = take(queue)
    expect(queue.answered(answer(code))).toEqual({ kind: 'retry' })
    expect(take(queue).bytes).toBe(first.bytes)
  },
)

test('records that the broker names are rejected; the others keep order and sequence', () => {
  const queue = queueOf(4)
  take(queue)
  enqueue(queue, 4)
  const recordErrors = [{ batchIndex: 1, message: 'no key' }]
  const verdict = queue.answered(answer('INVALID_RECORD', { recordErrors }))
  expect(verdict).toMatchObject({
    kind: 'rejected',
    rejected: [{ item: { recordIndex: 1 }, code: 'INVALID_RECORD', message: 'no key' }],
  })
  const rest = take(queue)
  expect(owners(rest)).toEqual([0, 2, 3])
  expect(rest.baseSequence).toBe(0)
  queue.answered(answer('NONE'))
  expect(owners(take(queue))).toEqual([4])
})

test('a batch fills up to the size of a request', () => {
  const queue = queueOf(100)
  const batch = queue.take({ ...options, sizeBytesMax: 200 })
  expect(batch?.bytes.length).toBeLessThanOrEqual(200)
  expect(batch?.items.length).toBeGreaterThan(1)
})

test('nothing is taken into a request that has no room for it', () => {
  expect(queueOf(1).take({ ...options, sizeBytesMax: 70 })).toBeUndefined()
})

/**
 * A partition as a broker keeps it: batches up to a size, sequences checked as Kafka does. Returns
 * false when a sequence would leave a gap, which no script of faults may bring about.
 */
class ModelPartition {
  readonly log: number[] = []
  readonly #recordCountMax: number
  readonly #tooLarge: ReadonlySet<number>
  #nextSequence = 0

  constructor(recordCountMax: number, tooLarge: ReadonlySet<number>) {
    this.#recordCountMax = recordCountMax
    this.#tooLarge = tooLarge
  }

  append(batch: Batch): BatchAnswer {
    const isTooLarge =
      batch.items.length > this.#recordCountMax ||
      batch.items.some(({ recordIndex }) => this.#tooLarge.has(recordIndex))
    if (isTooLarge) return answer('MESSAGE_TOO_LARGE')
    const baseSequence = batch.bytes.readInt32BE(53)
    if (baseSequence < this.#nextSequence) return answer('NONE', { baseOffset: baseSequence })
    if (baseSequence > this.#nextSequence) return answer('OUT_OF_ORDER_SEQUENCE_NUMBER')
    this.log.push(...owners(batch))
    this.#nextSequence += batch.items.length
    return answer('NONE', { baseOffset: baseSequence })
  }
}

test('whatever gets lost, acceptable records are stored once and in order, the others rejected', () => {
  const faults = fc.array(fc.constantFrom('none', 'request lost', 'answer lost', 'unsent'), {
    maxLength: 40,
  })
  const tooLarge = fc.array(fc.nat(29), { maxLength: 5 })
  fc.assert(
    fc.property(faults, tooLarge, fc.integer({ min: 1, max: 8 }), (script, oversized, countMax) => {
      const queue = queueOf(20)
      const broker = new ModelPartition(countMax, new Set(oversized))
      const stored: number[] = []
      const rejected: number[] = []
      const codes = new Set<string>()
      let isAmbiguousRefusal = false
      for (let turn = 0; queue.isReady && !isAmbiguousRefusal; turn += 1) {
        if (turn < 10) enqueue(queue, 20 + turn)
        const batch = take(queue)
        const fault = script[turn] ?? 'none'
        if (fault === 'unsent') queue.unanswered(false)
        else if (fault === 'request lost') queue.unanswered(true)
        else {
          const answered = broker.append(batch)
          if (fault === 'answer lost') queue.unanswered(true)
          else {
            const verdict = queue.answered(answered)
            if (verdict.kind === 'stored') stored.push(...owners(batch))
            if (verdict.kind === 'rejected') {
              rejected.push(...verdict.rejected.map(({ item }) => item.recordIndex))
            }
            // A refusal after a lost answer: the producer gives up rather than guess.
            isAmbiguousRefusal = verdict.kind === 'fatal'
            codes.add(answered.code)
          }
        }
      }
      expect(codes).not.toContain('OUT_OF_ORDER_SEQUENCE_NUMBER')
      expect(broker.log.slice(0, stored.length)).toEqual(stored)
      expect(broker.log).toEqual([...broker.log].sort((a, b) => a - b))
      expect(new Set(broker.log).size).toBe(broker.log.length)
      if (isAmbiguousRefusal) return
      expect(rejected.every((owner) => oversized.includes(owner))).toBe(true)
      expect([...stored, ...rejected].sort((a, b) => a - b)).toEqual(
        Array.from({ length: stored.length + rejected.length }, (_, owner) => owner),
      )
    }),
    { numRuns: 300 },
  )
})

describe('behind a refused record', () => {
  function keyed(keys: readonly string[], rejectedKeys = new RejectedKeys()): PartitionQueue {
    const queue = new PartitionQueue('t', 0)
    for (const [owner, key] of keys.entries()) {
      const record = {
        topic: 't',
        partition: 0,
        key: Buffer.from(key),
        value: null,
        headers: [],
        timestampMs: 0,
      }
      queue.enqueue({
        record,
        sizeBytesMax: 100,
        send: { deadlineMs: 1, rejectedKeys },
        recordIndex: owner,
      })
    }
    return queue
  }

  const refusals = (verdict: ReturnType<PartitionQueue['answered']>) =>
    verdict.kind === 'rejected'
      ? verdict.rejected.map(({ item, code }) => [item.recordIndex, code])
      : undefined

  test('those of its key are refused with it, those before it and of other keys are not', () => {
    const queue = keyed(['k', 'k', 'other', 'k'])
    take(queue)
    const recordErrors = [{ batchIndex: 1, message: null }]
    expect(refusals(queue.answered(answer('INVALID_RECORD', { recordErrors })))).toEqual([
      [1, 'INVALID_RECORD'],
      [3, 'PRECEDING_RECORD_REJECTED'],
    ])
    expect(owners(take(queue))).toEqual([0, 2])
  })

  test('those of its key in other halves and not yet in a batch are refused, too', () => {
    const queue = keyed(['k', 'other', 'k', 'k'])
    queue.take({ ...options, sizeBytesMax: 400 })
    expect(refusals(queue.answered(answer('MESSAGE_TOO_LARGE')))).toEqual([])
    take(queue)
    expect(refusals(queue.answered(answer('MESSAGE_TOO_LARGE')))).toEqual([])
    take(queue)
    expect(refusals(queue.answered(answer('MESSAGE_TOO_LARGE')))).toEqual([
      [0, 'MESSAGE_TOO_LARGE'],
      [2, 'PRECEDING_RECORD_REJECTED'],
      [3, 'PRECEDING_RECORD_REJECTED'],
    ])
    take(queue)
    expect(queue.answered(answer('NONE'))).toMatchObject({ kind: 'stored' })
    expect(queue.isEmpty).toBe(true)
  })

  test('those of its key in another send with the same rejected keys are refused, too', () => {
    const rejectedKeys = new RejectedKeys()
    const queue = keyed(['k'], rejectedKeys)
    take(queue)
    for (const [owner, key] of [
      [8, 'k'],
      [9, 'other'],
    ] as const) {
      const record = { topic: 't', partition: 0, value: null, headers: [], timestampMs: 0 }
      const keyOf = { ...record, key: Buffer.from(key) }
      queue.enqueue({
        record: keyOf,
        sizeBytesMax: 100,
        send: { deadlineMs: 1, rejectedKeys },
        recordIndex: owner,
      })
    }
    expect(refusals(queue.answered(answer('INVALID_RECORD')))).toEqual([
      [0, 'INVALID_RECORD'],
      [8, 'PRECEDING_RECORD_REJECTED'],
    ])
    expect(owners(take(queue))).toEqual([9])
    const place = { topic: 't', partition: 0 }
    expect(rejectedKeys.has(place, Buffer.from('k'))).toBe(true)
    expect(rejectedKeys.has({ ...place, partition: 1 }, Buffer.from('k'))).toBe(false)
  })

  test('whatever gets lost, no record of its key that was sent along is stored', () => {
    const faults = fc.array(fc.constantFrom('none', 'unsent'), { maxLength: 40 })
    const keys = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 30, maxLength: 30 })
    const tooLarge = fc.array(fc.nat(29), { maxLength: 5 })
    const sizes = fc.integer({ min: 1, max: 8 })
    fc.assert(
      fc.property(faults, keys, tooLarge, sizes, (script, keyOf, oversized, countMax) => {
        const queue = new PartitionQueue('t', 0)
        const broker = new ModelPartition(countMax, new Set(oversized))
        const rejectedKeys = new RejectedKeys()
        const codes = new Map<number, string>()
        const send = (owner: number): void => {
          const key = Buffer.from(keyOf[owner] ?? '')
          const place = { topic: 't', partition: 0 }
          if (rejectedKeys.has(place, key)) codes.set(owner, PRECEDING_RECORD_REJECTED)
          else {
            const record = { ...place, key, value: null, headers: [], timestampMs: 0 }
            queue.enqueue({
              record,
              sizeBytesMax: 100,
              send: { deadlineMs: 1, rejectedKeys },
              recordIndex: owner,
            })
          }
        }
        for (let owner = 0; owner < 10; owner += 1) send(owner)
        for (let turn = 0; queue.isReady; turn += 1) {
          const batch = take(queue)
          // The next send, while this batch is on its way.
          const from = Math.min(30, 10 * (turn + 1))
          for (let owner = from; owner < Math.min(30, from + 10); owner += 1) send(owner)
          if (script[turn] === 'unsent') queue.unanswered(false)
          else {
            const verdict = queue.answered(broker.append(batch))
            if (verdict.kind === 'rejected') {
              for (const { item, code } of verdict.rejected) codes.set(item.recordIndex, code)
            }
          }
        }
        for (const stored of broker.log) {
          const refused = [...codes].filter(([, code]) => code !== PRECEDING_RECORD_REJECTED)
          const before = refused.filter(
            ([owner]) => owner < stored && keyOf[owner] === keyOf[stored],
          )
          expect(before).toEqual([])
        }
        expect(broker.log.length + codes.size).toBeGreaterThanOrEqual(10)
        expect(new Set([...broker.log, ...codes.keys()]).size).toBe(broker.log.length + codes.size)
      }),
      { numRuns: 300 },
    )
  })

  test('another send of its key goes on', () => {
    const queue = keyed(['k'])
    take(queue)
    const record = {
      topic: 't',
      partition: 0,
      key: Buffer.from('k'),
      value: null,
      headers: [],
      timestampMs: 0,
    }
    const rejectedKeys = new RejectedKeys()
    queue.enqueue({
      record,
      sizeBytesMax: 100,
      send: { deadlineMs: 1, rejectedKeys },
      recordIndex: 9,
    })
    expect(refusals(queue.answered(answer('INVALID_RECORD')))).toEqual([[0, 'INVALID_RECORD']])
    expect(owners(take(queue))).toEqual([9])
  })
})
