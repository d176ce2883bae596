import { LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { describe, expect, test } from 'vitest'
import { runTask, writeNewFile } from './disk-task.ts'
import {
  DIRECTORY,
  NOW_MS,
  append,
  batch,
  open,
  read,
  readAll,
  settled,
  tryOpen,
} from './testing/log-fixture.ts'

const logPaths = (disk: SimulatedDisk) => disk.paths().filter((path) => path.endsWith('.log'))
const CONTEXT = { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' } as const

describe('retention of everything', () => {
  test.for([{ retentionMs: 1000 }, { retentionBytes: 0 }])(
    '%o ends the active segment too, and offsets go on behind it',
    (limits) => {
      const disk = new SimulatedDisk()
      const config = { segmentBytes: 200, ...limits }
      const log = open(disk, { config })
      const producer = { producerId: 7, producerEpoch: 0 }
      for (const baseSequence of [0, 1, 2, 3]) append(log, batch({ ...producer, baseSequence }))
      const retain = () => settled<void>((done) => log.enforceRetention(NOW_MS + 5000, done))
      expect(retain()).toMatchObject({ ok: true })
      expect(log).toMatchObject({ logStartOffset: 4, highWatermark: 4, sizeBytes: 0 })
      expect(logPaths(disk)).toHaveLength(1)
      expect(retain()).toMatchObject({ ok: true })
      expect(log.logStartOffset).toBe(4)

      const reopened = open(disk.survivor(LOSE_UNSYNCED), { config })
      expect(reopened).toMatchObject({ logStartOffset: 4, logEndOffset: 4 })
      const retry = append(reopened, batch({ ...producer, baseSequence: 3 }))
      expect(retry).toMatchObject({ ok: true, baseOffset: 3, duplicate: true })
      expect(append(reopened, batch())).toMatchObject({ baseOffset: 4 })
    },
  )

  test('waits for what is on its way to the disk', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk, { config: { retentionBytes: 0 } })
    append(log, batch())
    disk.drain()
    log.append(batch(), CONTEXT, () => {})
    log.enforceRetention(NOW_MS, () => {})
    disk.drain()
    expect(log).toMatchObject({ logStartOffset: 0, highWatermark: 2 })
    log.enforceRetention(NOW_MS, () => {})
    disk.drain()
    expect(log.logStartOffset).toBe(2)
  })

  test('of an empty log changes nothing', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { retentionBytes: 0, retentionMs: 0 } })
    settled<void>((done) => log.enforceRetention(NOW_MS + 1, done))
    expect(logPaths(disk)).toEqual([`${DIRECTORY}/00000000000000000000.log`])
  })
})

test('a segment is as old as its first append, not as its creation', () => {
  const disk = new SimulatedDisk()
  const log = open(disk, { config: { segmentMs: 1000 } })
  for (const laterMs of [5000, 5500, 6000]) append(log, batch(), { nowMs: NOW_MS + laterMs })
  expect(logPaths(disk).map((path) => path.slice(-8))).toEqual(['0000.log', '0002.log'])
})

test('the leader epochs are written as Kafka writes them', () => {
  const disk = new SimulatedDisk()
  const log = open(disk)
  for (const leaderEpoch of [0, 0, 3]) append(log, batch(), { leaderEpoch })
  settled<void>((done) => log.checkpoint(done))
  const bytes = disk.contentOf(`${DIRECTORY}/leader-epoch-checkpoint`)
  expect(new TextDecoder().decode(bytes)).toBe('0\n2\n0 0\n3 2\n')
})

test('two snapshots of the producers are kept, however many segments there are', () => {
  const disk = new SimulatedDisk()
  const log = open(disk, { config: { segmentBytes: 100 } })
  for (let count = 0; count < 6; count += 1) append(log, batch())
  expect(disk.paths().filter((path) => path.endsWith('.snap'))).toEqual([
    `${DIRECTORY}/00000000000000000004.snap`,
    `${DIRECTORY}/00000000000000000005.snap`,
  ])
})

test('a file that is written anew keeps nothing of a longer one', () => {
  const disk = new SimulatedDisk()
  disk.makeDirectory('/d', () => {})
  for (const size of [10, 3]) {
    runTask(writeNewFile(disk, '/d/f', new Uint8Array(size)), () => {})
  }
  expect(disk.contentOf('/d/f')).toHaveLength(3)
})

describe('the end of a log', () => {
  test('a log is deleted although one of its name was deleted half', () => {
    const disk = new SimulatedDisk()
    disk.makeDirectory(`${DIRECTORY}-delete`, () => {})
    disk.open(`${DIRECTORY}-delete/00000000000000000000.log`, 'create', () => {})
    const log = open(disk)
    expect(settled<void>((done) => log.delete(done))).toMatchObject({ ok: true })
    expect(disk.paths()).toEqual(['/logs'])
  })

  test.for(['delete', 'close'] as const)(
    '%s comes to its end although a checkpoint fails during a sync',
    (kind) => {
      const disk = new SimulatedDisk({ completion: 'queued' })
      const log = open(disk)
      append(log, batch())
      disk.drain()
      log.checkpoint(() => {})
      log.append(batch(), CONTEXT, () => {})
      disk.hook = ({ path }) =>
        path.endsWith('.snap') ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
      const ends: boolean[] = []
      log[kind](({ ok }) => ends.push(ok))
      while (disk.queuedCount > 0) disk.complete(disk.queuedCount - 1)
      expect(ends).toEqual([true])
      expect(disk.openFileCount).toBe(0)
    },
  )

  test('segments that could not be removed are closed, and the log fails', () => {
    const disk = new SimulatedDisk()
    const failures: string[] = []
    const config = { segmentBytes: 100, retentionBytes: 100 }
    const log = open(disk, { config, onFailure: ({ code }) => failures.push(code) })
    for (const _ of [1, 2, 3]) append(log, batch())
    disk.hook = ({ kind, path }) =>
      kind === 'rename' && path.endsWith('.log')
        ? { kind: 'fail', code: 'EIO' }
        : { kind: 'proceed' }
    expect(settled<void>((done) => log.enforceRetention(NOW_MS, done))).toMatchObject({ ok: false })
    expect(failures).toEqual(['EIO'])
    expect(read(log, log.logStartOffset)).toMatchObject({ ok: true })
    settled<void>((done) => log.close(done))
    expect(disk.openFileCount).toBe(0)
    disk.hook = () => ({ kind: 'proceed' })
    const reopened = open(disk, { config })
    expect(reopened.logStartOffset).toBe(1)
    expect(readAll(reopened)).toHaveLength(2 * batch().length)
  })
})

describe('files that contradict each other', () => {
  /** Three segments, of which retention has removed the first; nothing was checkpointed. */
  const withLogStart = () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { segmentBytes: 100, retentionBytes: 100 } })
    for (const _ of [1, 2, 3]) append(log, batch())
    settled<void>((done) => log.enforceRetention(NOW_MS, done))
    expect(log.logStartOffset).toBe(1)
    return disk
  }

  test('a log start without segments is corruption', () => {
    const disk = withLogStart()
    for (const path of logPaths(disk)) disk.removeFile(path, () => {})
    expect(tryOpen(disk)).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
  })

  test.for(['log-start-offset-checkpoint', '00000000000000000001.snap'] as const)(
    'a log that ends before what %s says is corruption, and is left as it is',
    (name) => {
      const path = `${DIRECTORY}/${name}`
      const claim = withLogStart().contentOf(path)
      const disk = new SimulatedDisk()
      append(open(disk), batch())
      // What the index vouches for is not read again.
      disk.removeFile(`${DIRECTORY}/00000000000000000000.idx`, () => {})
      disk.open(path, 'create', (file) => file.ok && file.value.write(0, [claim], () => {}))
      const [log = ''] = logPaths(disk)
      const damaged = disk.contentOf(log)
      damaged.fill(0, 20)
      expect(tryOpen(disk)).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
      expect(disk.contentOf(log)).toEqual(damaged)
    },
  )

  test('segments that an interrupted retention left below the log start are removed', () => {
    const disk = new SimulatedDisk()
    const config = { segmentBytes: 100, retentionBytes: 100 }
    const log = open(disk, { config })
    for (const _ of [1, 2, 3]) append(log, batch())
    disk.hook = ({ kind, path }) =>
      kind === 'rename' && path.endsWith('.idx')
        ? { kind: 'crash', keptBytes: 0 }
        : { kind: 'proceed' }
    log.enforceRetention(NOW_MS, () => {})
    const survivor = disk.survivor(LOSE_UNSYNCED)
    expect(logPaths(survivor)).toHaveLength(3)
    expect(open(survivor, { config }).logStartOffset).toBe(1)
    expect(logPaths(survivor)).toHaveLength(2)
    expect(survivor.paths()).not.toContain(`${DIRECTORY}/00000000000000000000.idx`)
  })

  test('a batch that claims to be longer than its segment is not served', () => {
    const disk = new SimulatedDisk()
    const log = open(disk)
    append(log, batch())
    disk.contentOf(logPaths(disk)[0] ?? '')[8] = 0x7f
    expect(read(log, 0)).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
  })

  test('a batch with another offset than its place demands is not served', () => {
    const disk = new SimulatedDisk()
    const log = open(disk)
    const records = batch()
    for (const _ of [1, 2, 3]) append(log, records.slice())
    disk.contentOf(logPaths(disk)[0] ?? '')[records.length + 7] = 9
    expect(read(log, 0)).toMatchObject({ ok: true, nextOffset: 1 })
    expect(read(log, 1)).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
    expect(read(log, 2)).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
  })
})
