import { LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { describe, expect, test } from 'vitest'
import { type ProducerEntry, ProducerStates, admitBatch } from './producer-state.ts'
import { NOW_MS, append, batch, concat, open, settled } from './testing/log-fixture.ts'

const SEQUENCE_MAX = 2_147_483_647

/** Producer 7, epoch 3, that wrote batches of two records with sequences 0-1 to 12-13. */
function known(): ProducerEntry {
  const numbered = Array.from({ length: 7 }, (_, index) => index * 2)
  return numbered.reduce<ProducerEntry | undefined>((entry, baseSequence) => {
    const admission = admitBatch(entry, header({ baseSequence }), at(100 + baseSequence))
    return admission.kind === 'append' ? admission.entry : entry
  }, undefined) as ProducerEntry
}

function header(fields: {
  baseSequence: number
  producerEpoch?: number
  lastOffsetDelta?: number
}) {
  return { producerId: 7, producerEpoch: 3, lastOffsetDelta: 1, ...fields }
}

function at(baseOffset: number, origin: 'client' | 'coordinator' = 'client') {
  return { baseOffset, nowMs: 0, origin }
}

describe('a batch of a known producer', () => {
  test.for([
    { rule: 'with the next sequence is appended', sent: { baseSequence: 14 }, kind: 'append' },
    { rule: 'sent again is a duplicate', sent: { baseSequence: 12 }, kind: 'duplicate' },
    { rule: 'four batches ago is a duplicate', sent: { baseSequence: 4 }, kind: 'duplicate' },
    { rule: 'five batches ago is out of order', sent: { baseSequence: 2 }, kind: 'refused' },
    { rule: 'behind a gap is out of order', sent: { baseSequence: 16 }, kind: 'refused' },
    {
      rule: 'with a known start and another end is out of order',
      sent: { baseSequence: 12, lastOffsetDelta: 2 },
      kind: 'refused',
    },
    {
      rule: 'of a new epoch begins with sequence 0',
      sent: { baseSequence: 0, producerEpoch: 4 },
      kind: 'append',
    },
    {
      rule: 'of a new epoch with another sequence is out of order',
      sent: { baseSequence: 14, producerEpoch: 4 },
      kind: 'refused',
    },
    {
      rule: 'of an older epoch is fenced, even as a retry',
      sent: { baseSequence: 12, producerEpoch: 2 },
      kind: 'refused',
    },
  ] as const)('$rule', ({ sent, kind }) => {
    expect(admitBatch(known(), header(sent), at(200)).kind).toBe(kind)
  })

  test('that is a duplicate is answered with its first offsets', () => {
    const admission = admitBatch(known(), header({ baseSequence: 8 }), at(200))
    expect(admission).toMatchObject({ batch: { baseOffset: 108, lastOffset: 109 } })
  })

  test('of a coordinator is only fenced by its epoch', () => {
    const unnumbered = { baseSequence: -1 }
    expect(admitBatch(known(), header(unnumbered), at(200, 'coordinator')).kind).toBe('append')
    const older = header({ ...unnumbered, producerEpoch: 2 })
    expect(admitBatch(known(), older, at(200, 'coordinator'))).toMatchObject({
      errorCode: 'INVALID_PRODUCER_EPOCH',
    })
  })
})

test('an unknown producer may start with any sequence', () => {
  expect(admitBatch(undefined, header({ baseSequence: 99 }), at(0)).kind).toBe('append')
})

test.for([
  { last: SEQUENCE_MAX, next: 0 },
  { last: 0, next: 1 },
])('the sequence after $last is $next, also inside a batch', ({ last, next }) => {
  const base = last === 0 ? SEQUENCE_MAX : last - 1
  const first = admitBatch(undefined, header({ baseSequence: base }), at(0))
  expect(first.kind).toBe('append')
  const entry = first.kind === 'append' ? first.entry : undefined
  expect(admitBatch(entry, header({ baseSequence: next }), at(2)).kind).toBe('append')
  expect(admitBatch(entry, header({ baseSequence: base }), at(2)).kind).toBe('duplicate')
})

test('producers that were silent for long are forgotten, in the order of their last append', () => {
  const states = new ProducerStates()
  const entry = (lastSeenMs: number) => ({ producerEpoch: 0, batches: [], lastSeenMs })
  states.set(1, entry(0))
  states.set(2, entry(50))
  states.set(1, entry(90))
  states.expire(100, 50)
  expect([...states.entries()].map(([producerId]) => producerId)).toEqual([1])
})

test('beyond a hundred thousand producers the longest silent one is forgotten', () => {
  const entry = { producerEpoch: 0, batches: [], lastSeenMs: 0 }
  const states = new ProducerStates(Array.from({ length: 100_000 }, (_, id) => [id, entry]))
  states.set(0, entry)
  states.set(100_000, entry)
  expect([states.size, states.get(0), states.get(1)]).toEqual([100_000, entry, undefined])
})

describe('a log', () => {
  const numbered = (baseSequence: number) =>
    batch({ producerId: 7, producerEpoch: 0, baseSequence })

  test('knows its producers after a restart, the last five batches of each', () => {
    const disk = new SimulatedDisk()
    const log = open(disk)
    for (let sequence = 0; sequence < 7; sequence += 1) append(log, numbered(sequence))
    settled<void>((done) => log.close(done))
    const reopened = open(disk.survivor(LOSE_UNSYNCED))
    expect(append(reopened, numbered(2))).toMatchObject({ baseOffset: 2, duplicate: true })
    expect(append(reopened, numbered(1))).toMatchObject({
      errorCode: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    })
    expect(append(reopened, numbered(7))).toMatchObject({ baseOffset: 7, duplicate: false })
  })

  test('answers a retry of a batch that is not durable yet together with the original', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk)
    const answers: unknown[] = []
    const context = { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' } as const
    for (const _ of [1, 2]) {
      log.append(numbered(0), context, (result) => answers.push(result))
    }
    disk.complete(0)
    expect(answers).toEqual([])
    disk.drain()
    expect(answers).toMatchObject([
      { ok: true, baseOffset: 0, duplicate: false },
      { ok: true, baseOffset: 0, duplicate: true },
    ])
    expect(log.logEndOffset).toBe(1)
  })

  test('takes consecutive batches of one producer in one append, and refuses a half-known pair', () => {
    const log = open(new SimulatedDisk())
    expect(append(log, concat(numbered(0), numbered(1)))).toMatchObject({ lastOffset: 1 })
    expect(append(log, concat(numbered(0), numbered(1)))).toMatchObject({
      baseOffset: 0,
      lastOffset: 1,
      duplicate: true,
    })
    expect(append(log, concat(numbered(1), numbered(2)))).toMatchObject({
      errorCode: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    })
    expect(log.logEndOffset).toBe(2)
  })

  test('forgets a producer after producer.id.expiration.ms, whatever restarts there are', () => {
    const disk = new SimulatedDisk()
    const config = { producerIdExpirationMs: 1000 }
    const log = open(disk, { config, nowMs: NOW_MS })
    append(log, numbered(0), { nowMs: NOW_MS })
    settled<void>((done) => log.close(done))
    const reopened = open(disk, { config, nowMs: NOW_MS + 600 })
    expect([...reopened.producers()]).toMatchObject([{ producerId: 7, lastSeenMs: NOW_MS }])
    settled<void>((done) => reopened.enforceRetention(NOW_MS + 1000, done))
    expect([...reopened.producers()]).toEqual([])
  })

  test('forgets a producer after producer.id.expiration.ms', () => {
    const log = open(new SimulatedDisk(), { config: { producerIdExpirationMs: 1000 } })
    append(log, numbered(0))
    settled<void>((done) => log.enforceRetention(NOW_MS + 999, done))
    expect(append(log, numbered(5))).toMatchObject({ ok: false })
    settled<void>((done) => log.enforceRetention(NOW_MS + 1000, done))
    expect(append(log, numbered(5))).toMatchObject({ ok: true })
  })
})
