import { crc32c } from '@fairlead/protocol'
import { LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { describe, expect, test } from 'vitest'
import type { AppendResult, PartitionLog } from './index.ts'
import { DIRECTORY, NOW_MS, append, batch, open, readAll, settled } from './testing/log-fixture.ts'

/** A mebibyte, nearly. */
const LARGE = batch({ values: ['x'.repeat(1_048_576 - 100)] })
const CONTEXT = { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' } as const

const segments = (disk: SimulatedDisk) => disk.paths().filter((path) => path.endsWith('.log'))

/** Appends on a disk that completes when the test wants, and what they were answered. */
function appendAll(log: PartitionLog, batches: readonly Uint8Array[]): AppendResult[] {
  const answers: AppendResult[] = []
  for (const records of batches) log.append(records, CONTEXT, (result) => answers.push(result))
  return answers
}

function withDatasyncs(disk: SimulatedDisk): { count: number } {
  const seen = { count: 0 }
  disk.hook = ({ kind, path }) => {
    if (kind === 'datasync' && path.endsWith('.log')) seen.count += 1
    return { kind: 'proceed' }
  }
  return seen
}

describe('a segment', () => {
  test('takes a batch that is larger than segment.bytes alone', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { segmentBytes: 100 } })
    for (const _ of [1, 2]) append(log, batch({ values: ['x'.repeat(300)] }))
    expect(segments(disk).map((path) => path.slice(-6))).toEqual(['00.log', '01.log'])
  })

  test('is never larger than segment.bytes, however many batches wait for the disk', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk, { config: { segmentBytes: 200 } })
    appendAll(
      log,
      Array.from({ length: 9 }, () => batch()),
    )
    disk.drain()
    expect(segments(disk)).toHaveLength(5)
    for (const path of segments(disk)) expect(disk.contentOf(path).length).toBeLessThan(200)
  })

  test.for([{ isQueued: false }, { isQueued: true }])(
    'spans no more offsets than its index can hold (batches in the queue: $isQueued)',
    ({ isQueued }) => {
      const disk = new SimulatedDisk({ completion: isQueued ? 'queued' : 'immediate' })
      const log = open(disk)
      appendAll(log, [batch(), huge(), huge(), huge()])
      disk.drain()
      expect(log.highWatermark).toBe(1 + 3 * 0x7fff_ffff)
      expect(segments(disk)).toEqual([
        `${DIRECTORY}/00000000000000000000.log`,
        `${DIRECTORY}/00000000004294967295.log`,
      ])
    },
  )

  /** As many records as a batch can have; whether they are there is not looked at. */
  function huge(): Uint8Array {
    const bytes = batch()
    const view = new DataView(bytes.buffer)
    view.setInt16(21, 1)
    view.setInt32(23, 0x7fff_fffe)
    view.setInt32(57, 0x7fff_ffff)
    view.setUint32(17, crc32c(bytes.subarray(21)))
    return bytes
  }
})

describe('in mode os', () => {
  test('bytes are synced, and a durable state is written, every 16 MiB', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { durability: 'os' } })
    const datasyncs = withDatasyncs(disk)
    for (let count = 0; count < 16; count += 1) append(log, LARGE.slice())
    expect(datasyncs.count).toBe(0)
    for (let count = 0; count < 17; count += 1) append(log, LARGE.slice())
    expect(datasyncs.count).toBe(1)
    expect(disk.paths().filter((path) => path.endsWith('.snap'))).toHaveLength(1)
  })

  test('a snapshot knows no batch that its sync did not cover', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk, { config: { durability: 'os' } })
    const sequenced = (baseSequence: number) =>
      batch({ producerId: 7, producerEpoch: 0, baseSequence })
    appendAll(log, [sequenced(0)])
    disk.drain()
    const checkpoints: boolean[] = []
    log.checkpoint(({ ok }) => checkpoints.push(ok))
    // The write of the second batch completes before the sync of the first.
    appendAll(log, [sequenced(1)])
    disk.complete(1)
    expect(log.highWatermark).toBe(2)
    disk.complete(0)
    while (checkpoints.length === 0) disk.complete(0)
    const reopened = open(disk.survivor(LOSE_UNSYNCED, 'immediate'))
    const retry = append(reopened, sequenced(1))
    expect(retry).toMatchObject({ ok: true, duplicate: false })
    expect(readAll(reopened)).toHaveLength(2 * batch().length)
  })
})

describe('in mode interval', () => {
  test('an append counts after the write, and is synced when it is overdue', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { durability: 'interval', flushMs: 100 } })
    const datasyncs = withDatasyncs(disk)
    append(log, batch())
    expect([log.highWatermark, datasyncs.count]).toEqual([1, 0])
    for (const afterMs of [50, 99, 100, 101]) log.flushOverdue(NOW_MS + afterMs)
    expect(datasyncs.count).toBe(1)
    append(log, batch())
    // A clock that was set back does not put it off.
    log.flushOverdue(NOW_MS - 5000)
    expect(datasyncs.count).toBe(2)
    expect(open(disk.survivor(LOSE_UNSYNCED)).logEndOffset).toBe(2)
  })

  test('no more records than the topic allows wait for a sync', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { durability: 'os', flushMessages: 5 } })
    const datasyncs = withDatasyncs(disk)
    for (let count = 0; count < 12; count += 1) append(log, batch())
    expect(datasyncs.count).toBe(2)
  })
})

test('appends beyond 64 MiB that wait for the disk are refused, to be retried', () => {
  const disk = new SimulatedDisk({ completion: 'queued' })
  const log = open(disk)
  appendAll(log, [batch()])
  disk.drain()
  const answers = appendAll(
    log,
    Array.from({ length: 67 }, () => LARGE.slice()),
  )
  expect(answers).toMatchObject([{ ok: false, errorCode: 'REQUEST_TIMED_OUT' }])
  disk.drain()
  expect(answers).toHaveLength(67)
  expect(append(log, batch())).toBeUndefined()
})

test('a log whose files failed writes nothing more, and its high watermark stays', () => {
  const disk = new SimulatedDisk({ completion: 'queued' })
  const log = open(disk)
  appendAll(log, [batch()])
  disk.drain()
  log.checkpoint(() => {})
  const answers = appendAll(log, [batch(), batch()])
  disk.hook = ({ path }) =>
    path.endsWith('.snap') ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
  // The checkpoint goes on, the write waits.
  disk.complete(0)
  while (log.failure === undefined) disk.complete(disk.queuedCount - 1)
  expect(answers).toMatchObject([{ ok: false }, { ok: false }])
  disk.drain()
  expect(log.highWatermark).toBe(1)
  const [path = ''] = segments(disk)
  expect(disk.contentOf(path)).toHaveLength(2 * batch().length)
})

test('a checkpoint at the same offset touches no file', () => {
  const disk = new SimulatedDisk()
  const log = open(disk)
  append(log, batch())
  settled<void>((done) => log.checkpoint(done))
  const operations: string[] = []
  disk.hook = ({ kind }) => {
    operations.push(kind)
    return { kind: 'proceed' }
  }
  expect(settled<void>((done) => log.checkpoint(done))).toMatchObject({ ok: true })
  expect(operations).toEqual([])
})

test('a producer that was forgotten is not remembered by the next snapshot', () => {
  const disk = new SimulatedDisk()
  const log = open(disk, { config: { producerIdExpirationMs: 1000 } })
  const records = batch({ producerId: 7, producerEpoch: 0, baseSequence: 0 })
  append(log, records.slice())
  settled<void>((done) => log.enforceRetention(NOW_MS + 1000, done))
  append(log, batch())
  settled<void>((done) => log.close(done))
  expect(append(open(disk), records)).toMatchObject({ ok: true, baseOffset: 2, duplicate: false })
})
