import { KEEP_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { expect, test } from 'vitest'
import type { LogConfig, PartitionLog } from './index.ts'
import { compact, keyed } from './testing/compaction-fixture.ts'
import { DIRECTORY, NOW_MS, append, batch, open, readAll, settled } from './testing/log-fixture.ts'

const CONFIG: Partial<LogConfig> = { segmentBytes: 100, retentionBytes: 100 }
const DELETED = [`${DIRECTORY}/${'0'.repeat(20)}.idx`, `${DIRECTORY}/${'0'.repeat(20)}.log`]
const MARKED = DELETED.map((path) => `${path}.deleted`)

const markedOn = (disk: SimulatedDisk) => disk.paths().filter((path) => path.endsWith('.deleted'))

const sweep = (log: PartitionLog, nowMs: number, isFull = false) =>
  settled<void>((done) => log.removeDeleted({ nowMs, isFull }, done))

/** Three segments, of which retention deletes the first. */
function retained(disk: SimulatedDisk, config = CONFIG): PartitionLog {
  const log = open(disk, { config })
  for (const _ of [1, 2, 3]) append(log, batch())
  expect(settled<void>((done) => log.enforceRetention(NOW_MS, done))).toMatchObject({ ok: true })
  expect(log.logStartOffset).toBe(1)
  return log
}

test('the files of a deleted segment stay for file.delete.delay.ms', () => {
  const disk = new SimulatedDisk()
  const log = retained(disk, { ...CONFIG, fileDeleteDelayMs: 5_000 })
  expect(disk.paths()).not.toEqual(expect.arrayContaining(DELETED))
  for (const nowMs of [10_000, 14_999]) {
    expect(sweep(log, nowMs)).toMatchObject({ ok: true })
    expect(markedOn(disk)).toEqual(MARKED)
  }
  sweep(log, 15_000)
  expect([markedOn(disk), log.deletedFileCount]).toEqual([[], 0])
})

test('a full disk keeps nothing that is deleted', () => {
  const disk = new SimulatedDisk()
  const log = retained(disk)
  expect(sweep(log, 0, true)).toMatchObject({ ok: true })
  expect([markedOn(disk), log.deletedFileCount]).toEqual([[], 0])
})

test('a start removes what the process before it had deleted', () => {
  const disk = new SimulatedDisk()
  const content = readAll(retained(disk))
  const survivor = disk.survivor(KEEP_UNSYNCED)
  expect(markedOn(survivor)).toEqual(MARKED)
  expect(readAll(open(survivor, { config: CONFIG }))).toEqual(content)
  expect(markedOn(survivor)).toEqual([])
})

test('a read that is under way in a deleted segment ends there', () => {
  const disk = new SimulatedDisk({ completion: 'queued' })
  const log = open(disk, { config: CONFIG })
  const records = batch()
  append(log, records)
  disk.drain()
  for (const _ of [1, 2]) append(log, batch())
  disk.drain()
  const chunks: Uint8Array[] = []
  log.read({ fetchOffset: 0, maxBytes: 1e6 }, (result) => {
    if (result.ok) chunks.push(...result.chunks)
  })
  log.enforceRetention(NOW_MS, () => {})
  log.removeDeleted({ nowMs: 0, isFull: true }, () => {})
  while (disk.queuedCount > 1) disk.complete(disk.queuedCount - 1)
  disk.drain()
  expect(chunks[0]?.length).toBe(records.length)
  expect(log.logStartOffset).toBe(1)
})

test('a segment whose file cannot be given a longer name goes at once', () => {
  const disk = new SimulatedDisk()
  disk.hook = ({ kind, path }) =>
    kind === 'rename' && DELETED.includes(path)
      ? { kind: 'fail', code: 'ENOSPC' }
      : { kind: 'proceed' }
  const log = retained(disk)
  expect(disk.paths()).not.toEqual(expect.arrayContaining(DELETED))
  expect(log).toMatchObject({ deletedFileCount: 0, failure: undefined })
})

test('a deleted file that somebody took away is no failure; one that cannot be removed is', () => {
  const disk = new SimulatedDisk()
  const log = retained(disk)
  disk.removeFile(MARKED[0] ?? '', () => {})
  expect(sweep(log, 0, true)).toMatchObject({ ok: true })
  append(log, batch())
  settled<void>((done) => log.enforceRetention(NOW_MS, done))
  disk.hook = ({ kind }) =>
    kind === 'removeFile' ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
  expect(sweep(log, 0, true)).toMatchObject({ ok: false })
  expect(log.failure).toMatchObject({ code: 'EIO' })
})

test('the segments that compaction replaced stay, each for the whole of its time', () => {
  const disk = new SimulatedDisk()
  const config: Partial<LogConfig> = {
    segmentBytes: 230,
    cleanupPolicy: ['compact'],
    fileDeleteDelayMs: 1_000,
  }
  const log = open(disk, { config })
  const produce = (): void => {
    for (const value of ['1', '2', '3', '4', '5', '6']) append(log, keyed([{ key: 'a', value }]))
  }
  produce()
  compact(disk, log)
  const first = markedOn(disk)
  expect(first).toEqual(expect.arrayContaining(MARKED))
  sweep(log, 0)
  produce()
  compact(disk, log)
  // The first segment was replaced again, and has its time from then on.
  sweep(log, 1_000)
  expect(markedOn(disk)).toEqual(expect.arrayContaining(MARKED))
  sweep(log, 2_000)
  expect(markedOn(disk)).toEqual([])
})
