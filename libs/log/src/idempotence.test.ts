import { readBatchHeader } from '@fairlead/protocol'
import { LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AppendResult, PartitionLog } from './index.ts'
import { append, batch, open, readAll } from './testing/log-fixture.ts'

/**
 * Idempotent producers against a model: whatever is sent twice, out of order or by a zombie, and
 * however the log is opened again, each accepted batch is in the log once, in the order of sequences.
 */

const SEQUENCE_MODULUS = 2_147_483_648
const REMEMBERED_BATCHES = 5
const PRODUCERS = 3
const RUNS = Number(process.env['IDEMPOTENCE_MODEL_RUNS'] ?? 150)

const producer = fc.nat(PRODUCERS - 1)
const event = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('next' as const),
      producer,
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('retry' as const), producer, back: fc.nat(6) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('gap' as const),
      producer,
      ahead: fc.integer({ min: 1, max: 9 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('newEpoch' as const),
      producer,
      baseSequence: fc.constantFrom(0, 0, 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('zombie' as const), producer }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('reopen' as const), losesSnapshots: fc.boolean() }),
  },
)
type Event = typeof event extends fc.Arbitrary<infer Value> ? Value : never

type Accepted = {
  readonly baseSequence: number
  readonly count: number
  readonly baseOffset: number
}

class Producer {
  readonly id: number
  epoch = 1
  /** Of this epoch. */
  accepted: Accepted[] = []
  /** The first one is close to the end of the numbers. */
  nextSequence = SEQUENCE_MODULUS - 6

  constructor(id: number) {
    this.id = id
  }
}

class World {
  readonly producers: readonly Producer[] = Array.from(
    { length: PRODUCERS },
    (_, id) => new Producer(id),
  )
  /** `producer/epoch/sequence` of each record, in the order of the log. */
  readonly expected: string[] = []
  disk = new SimulatedDisk()
  log: PartitionLog = this.#open()

  run(step: Event): void {
    if (step.kind === 'reopen') return this.#reopen(step.losesSnapshots)
    const from = this.producers[step.producer]
    if (from === undefined) throw new Error('no such producer')
    switch (step.kind) {
      case 'next':
        return this.#accept(from, step.count)
      case 'retry':
        return this.#retry(from, step.back)
      case 'gap': {
        // A producer that wrote nothing yet may begin anywhere.
        if (from.accepted.length === 0) return
        const baseSequence = (from.nextSequence + step.ahead) % SEQUENCE_MODULUS
        return expectRefusal(this.#send(from, baseSequence, 1), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
      }
      case 'newEpoch': {
        if (from.accepted.length === 0) return
        if (step.baseSequence !== 0) {
          const answer = this.#send(from, step.baseSequence, 1, from.epoch + 1)
          return expectRefusal(answer, 'OUT_OF_ORDER_SEQUENCE_NUMBER')
        }
        from.epoch += 1
        from.accepted = []
        from.nextSequence = 0
        return this.#accept(from, 1)
      }
      case 'zombie': {
        if (from.accepted.length === 0) return
        const answer = this.#send(from, from.nextSequence, 1, from.epoch - 1)
        return expectRefusal(answer, 'INVALID_PRODUCER_EPOCH')
      }
    }
  }

  contents(): readonly string[] {
    const bytes = readAll(this.log)
    const contents: string[] = []
    for (let position = 0; position < bytes.length; ) {
      const header = readBatchHeader(bytes, position)
      for (let index = 0; index < header.recordCount; index += 1) {
        const sequence = (header.baseSequence + index) % SEQUENCE_MODULUS
        contents.push(`${header.producerId}/${header.producerEpoch}/${sequence}`)
      }
      position += header.sizeBytes
    }
    return contents
  }

  #accept(from: Producer, count: number): void {
    const baseSequence = from.nextSequence
    const baseOffset = this.expected.length
    expectAccepted(this.#send(from, baseSequence, count), { baseOffset, duplicate: false })
    from.accepted.push({ baseSequence, count, baseOffset })
    from.nextSequence = (baseSequence + count) % SEQUENCE_MODULUS
    for (let index = 0; index < count; index += 1) {
      const sequence = (baseSequence + index) % SEQUENCE_MODULUS
      this.expected.push(`${from.id}/${from.epoch}/${sequence}`)
    }
  }

  #retry(from: Producer, back: number): void {
    const sent = from.accepted.at(-1 - back)
    if (sent === undefined) return
    const answer = this.#send(from, sent.baseSequence, sent.count)
    if (back < REMEMBERED_BATCHES) {
      expectAccepted(answer, { baseOffset: sent.baseOffset, duplicate: true })
    } else {
      expectRefusal(answer, 'OUT_OF_ORDER_SEQUENCE_NUMBER')
    }
  }

  #send(from: Producer, baseSequence: number, count: number, producerEpoch = from.epoch) {
    const values = Array.from({ length: count }, () => 'v')
    const records = batch({ producerId: from.id, producerEpoch, baseSequence, values })
    const answer = append(this.log, records)
    this.disk.drain()
    return answer
  }

  /** The machine loses its power. */
  #reopen(losesSnapshots: boolean): void {
    this.disk = this.disk.survivor(LOSE_UNSYNCED)
    const snapshots = this.disk.paths().filter((path) => /\.snap(shot)?$/.test(path))
    for (const path of losesSnapshots ? snapshots : []) this.disk.removeFile(path, () => {})
    this.log = this.#open()
  }

  #open(): PartitionLog {
    return open(this.disk, { config: { segmentBytes: 600, retentionMs: -1 } })
  }
}

function expectAccepted(
  answer: AppendResult | undefined,
  expected: { readonly baseOffset: number; readonly duplicate: boolean },
): void {
  expect(answer).toMatchObject({ ok: true, ...expected })
}

function expectRefusal(answer: AppendResult | undefined, errorCode: string): void {
  expect(answer).toMatchObject({ ok: false, errorCode })
}

test('each batch of an idempotent producer is in the log once, in its order', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60, size: 'max' }), (events) => {
      const world = new World()
      for (const step of events) world.run(step)
      expect(world.contents()).toEqual(world.expected)
    }),
    { numRuns: RUNS },
  )
})

test('a producer goes on when only a snapshot from before the log start is whole', () => {
  const disk = new SimulatedDisk()
  const config = { segmentBytes: 100, retentionMs: -1 }
  const log = open(disk, { config })
  const sent: readonly (readonly [number, number])[] = [
    [7, 0],
    [7, 1],
    [7, 2],
    [8, 0],
  ]
  for (const [producerId, baseSequence] of sent) {
    expect(append(log, batch({ producerId, producerEpoch: 0, baseSequence }))?.ok).toBe(true)
    disk.drain()
  }
  const snapshots = disk.paths().filter((path) => path.endsWith('.snap'))
  const [oldest, ...newer] = snapshots
  expect(newer).not.toEqual([])
  log.deleteRecords(-1, () => {})
  disk.drain()
  const survivor = disk.survivor(LOSE_UNSYNCED)
  for (const path of survivor.paths().filter((path) => path.endsWith('.snap') && path !== oldest)) {
    survivor.contentOf(path).fill(0)
  }
  expect(survivor.paths()).toContain(oldest)

  const reopened = open(survivor, { config })
  const next = batch({ producerId: 7, producerEpoch: 0, baseSequence: 3 })
  expect(append(reopened, next)).toMatchObject({ ok: true, duplicate: false })
})
