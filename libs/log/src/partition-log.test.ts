import { crc32c, readBatchHeader } from '@fairlead/protocol'
import { LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { describe, expect, test } from 'vitest'
import { DEFAULT_LOG_CONFIG, type PartitionLog, StorageError } from './index.ts'
import {
  DIRECTORY,
  NOW_MS,
  append,
  batch,
  concat,
  open,
  read,
  readAll,
  settled,
  tryOpen,
} from './testing/log-fixture.ts'

/** Its batches are ours, and their records are not walked. */
const BY_COORDINATOR = { origin: 'coordinator' } as const

describe('appending', () => {
  test('batches get contiguous offsets and the leader epoch, and are otherwise kept as they are', () => {
    const log = open(new SimulatedDisk())
    const sent = batch({ values: ['a', 'b', 'c'] })
    const copy = sent.slice()

    expect(append(log, sent, { leaderEpoch: 4 })).toMatchObject({ baseOffset: 0, lastOffset: 2 })
    expect(append(log, batch(), { leaderEpoch: 5 })).toMatchObject({ baseOffset: 3, lastOffset: 3 })

    const stored = readAll(log)
    const first = readBatchHeader(stored, 0)
    expect(first).toMatchObject({ baseOffset: 0, partitionLeaderEpoch: 4, recordCount: 3 })
    expect(readBatchHeader(stored, first.sizeBytes)).toMatchObject({ baseOffset: 3 })
    expect(stored.subarray(16, first.sizeBytes)).toEqual(copy.subarray(16))
    expect(log).toMatchObject({ logEndOffset: 4, highWatermark: 4, leaderEpoch: 5 })
  })

  test('several batches of one append are placed together', () => {
    const log = open(new SimulatedDisk())
    const records = concat(batch({ values: ['a', 'b'] }), batch(), batch())
    expect(append(log, records)).toMatchObject({ ok: true, baseOffset: 0, lastOffset: 3 })
    expect(readAll(log)).toHaveLength(records.length)
  })

  test('a bad batch among several leaves the log as it was', () => {
    const log = open(new SimulatedDisk())
    const bad = batch()
    bad[bad.length - 1] = (bad.at(-1) ?? 0) ^ 1
    expect(append(log, concat(batch(), bad))).toMatchObject({ errorCode: 'CORRUPT_MESSAGE' })
    expect(log.logEndOffset).toBe(0)
  })

  test('LogAppendTime replaces the timestamps and keeps the checksum right', () => {
    const log = open(new SimulatedDisk(), { config: { messageTimestampType: 'LogAppendTime' } })
    const answer = append(log, batch({ timestampsMs: [5] }), { nowMs: NOW_MS + 1 })
    expect(answer).toMatchObject({ ok: true, logAppendTimeMs: NOW_MS + 1 })
    const stored = readAll(log)
    const header = readBatchHeader(stored, 0)
    expect(header).toMatchObject({ timestampType: 'LogAppendTime', maxTimestampMs: NOW_MS + 1 })
    expect(crc32c(stored.subarray(21))).toBe(header.crc)
  })

  const sealed = (bytes: Uint8Array) => {
    new DataView(bytes.buffer).setUint32(17, crc32c(bytes.subarray(21)))
    return bytes
  }
  const withCount = (recordCount: number) => {
    const bytes = batch()
    new DataView(bytes.buffer).setInt32(23, recordCount - 1)
    new DataView(bytes.buffer).setInt32(57, recordCount)
    return sealed(bytes)
  }
  const stamped = () => {
    const bytes = batch()
    bytes[22] = 0x08
    return sealed(bytes)
  }
  const withByte = (position: number, value: number) => {
    const bytes = batch()
    bytes[position] = value
    return bytes
  }
  test.for([
    { what: 'no bytes', records: new Uint8Array(), errorCode: 'INVALID_RECORD' },
    { what: 'half a header', records: batch().subarray(0, 40), errorCode: 'CORRUPT_MESSAGE' },
    { what: 'half a batch', records: batch().subarray(0, -1), errorCode: 'CORRUPT_MESSAGE' },
    { what: 'a length of 2 GiB', records: withByte(8, 0x7f), errorCode: 'CORRUPT_MESSAGE' },
    { what: 'a negative length', records: withByte(8, 0xff), errorCode: 'CORRUPT_MESSAGE' },
    { what: 'magic 1', records: withByte(16, 1), errorCode: 'INVALID_RECORD' },
    { what: 'magic 3', records: withByte(16, 3), errorCode: 'CORRUPT_MESSAGE' },
    { what: 'a flipped bit', records: withByte(62, 0xff), errorCode: 'CORRUPT_MESSAGE' },
    { what: 'a base offset', records: withByte(7, 9), errorCode: 'INVALID_RECORD' },
    { what: 'a control batch', records: batch({ isControl: true }), errorCode: 'INVALID_RECORD' },
    {
      what: 'a transaction',
      records: batch({ isTransactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 }),
      errorCode: 'INVALID_TXN_STATE',
    },
    {
      what: 'a producer without sequence',
      records: batch({ producerId: 1, producerEpoch: 0 }),
      errorCode: 'INVALID_RECORD',
    },
    { what: 'more records than bytes', records: withCount(1_000_000), errorCode: 'INVALID_RECORD' },
    { what: 'the time of an append', records: stamped(), errorCode: 'INVALID_TIMESTAMP' },
    {
      what: 'a batch above max.message.bytes',
      records: batch({ values: ['x'.repeat(2000)] }),
      errorCode: 'MESSAGE_TOO_LARGE',
    },
  ])('$what is refused with $errorCode', ({ records, errorCode }) => {
    const log = open(new SimulatedDisk(), { config: { maxMessageBytes: 1000 } })
    expect(append(log, records)).toMatchObject({ ok: false, errorCode })
    expect(log.logEndOffset).toBe(0)
  })
})

test('the limit of clients for a batch is none for what the broker itself writes', () => {
  const log = open(new SimulatedDisk(), { config: { maxMessageBytes: 1000 } })
  const records = batch({ values: ['x'.repeat(2000)] })
  expect(append(log, records, BY_COORDINATOR)).toMatchObject({ ok: true, baseOffset: 0 })
})

test('a batch whose offsets are not as many as its records is refused, also a compressed one', () => {
  const log = open(new SimulatedDisk())
  const records = batch({ values: ['a', 'b'] })
  const view = new DataView(records.buffer, records.byteOffset)
  view.setInt16(21, 1)
  view.setInt32(23, 5)
  view.setUint32(17, crc32c(records.subarray(21)))
  expect(append(log, records)).toMatchObject({ ok: false, errorCode: 'INVALID_RECORD' })
  expect(log.logEndOffset).toBe(0)
})

describe('durability', () => {
  const completeEach = (disk: SimulatedDisk, operations: readonly string[]) => {
    for (const _ of operations) {
      expect(disk.queuedCount).toBe(1)
      disk.complete(0)
    }
  }

  test('the first append of a segment waits for a place in the index', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk)
    let isAppended = false
    log.append(batch(), { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' }, ({ ok }) => {
      isAppended = ok
    })
    completeEach(disk, ['open the index', 'empty it', 'make a place'])
    completeEach(disk, ['write', 'datasync', 'write the index'])
    expect([isAppended, disk.queuedCount]).toEqual([true, 0])
  })

  test('in mode group an append counts only after the sync that covers it', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk)
    append(log, batch())
    disk.drain()
    const answers: number[] = []
    for (const index of [0, 1, 2]) {
      log.append(batch(), { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' }, ({ ok }) => {
        if (ok) answers.push(index)
      })
    }
    // The first write went out alone, the other two waited for its sync.
    completeEach(disk, ['write'])
    expect([answers, log.highWatermark, disk.queuedCount]).toEqual([[], 1, 1])
    completeEach(disk, ['datasync', 'write the index'])
    expect([answers, log.highWatermark, disk.queuedCount]).toEqual([[0], 2, 1])
    completeEach(disk, ['write', 'datasync', 'write the index'])
    expect([answers, log.highWatermark, disk.queuedCount]).toEqual([[0, 1, 2], 4, 0])
  })

  test('in mode os an append counts after the write', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk, { config: { durability: 'os' } })
    const answers: boolean[] = []
    const context = { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' } as const
    log.append(batch(), context, ({ ok }) => answers.push(ok))
    completeEach(disk, ['open the index', 'empty it', 'make a place'])
    expect(answers).toEqual([])
    completeEach(disk, ['write'])
    expect(answers).toEqual([true])
    expect(log.highWatermark).toBe(1)
  })

  test('the mode may change while appends are under way', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk)
    const answers: string[] = []
    const appendAs = (name: string): void => {
      const context = { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' } as const
      log.append(batch(), context, () => answers.push(name))
    }
    appendAs('group')
    disk.complete(0)
    expect(answers).toEqual([])
    log.updateConfig({ ...DEFAULT_LOG_CONFIG, durability: 'os' })
    disk.drain()
    appendAs('os')
    disk.complete(0)
    expect(answers).toEqual(['group', 'os'])
    log.updateConfig(DEFAULT_LOG_CONFIG)
    disk.drain()
    appendAs('group again')
    disk.complete(0)
    expect(answers).toEqual(['group', 'os'])
    disk.drain()
    expect(answers).toEqual(['group', 'os', 'group again'])
  })

  test('nothing is served before it is durable', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk, { cacheBytes: 1e6 })
    append(log, batch())
    expect(log.logEndOffset).toBe(1)
    expect(read(log, 0)).toMatchObject({ ok: true, chunks: [], nextOffset: 0 })
    disk.drain()
    expect(read(log, 0)).toMatchObject({ ok: true, nextOffset: 1 })
  })

  test.for(['write', 'datasync'] as const)(
    'a failed %s ends the log for appends, once and for all',
    (kind) => {
      const disk = new SimulatedDisk()
      const failures: string[] = []
      const log = open(disk, { onFailure: ({ code }) => failures.push(code) })
      expect(append(log, batch())).toMatchObject({ ok: true })

      disk.hook = (operation) =>
        operation.kind === kind ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
      expect(append(log, batch())).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })
      disk.hook = () => ({ kind: 'proceed' })
      expect(append(log, batch())).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })

      expect(failures).toEqual(['EIO'])
      expect(log.failure).toBeInstanceOf(StorageError)
      expect(read(log, 0)).toMatchObject({ ok: true, nextOffset: 1 })
      expect(settled<void>((done) => log.close(done))).toMatchObject({ ok: true })
    },
  )

  test('a failed roll is a failed log, and every append behind it is refused', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { segmentBytes: 200 } })
    for (const _ of [1, 2]) expect(append(log, batch())).toMatchObject({ ok: true })
    disk.hook = ({ kind }) =>
      kind === 'open' ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
    expect(append(log, batch())).toBeDefined()
    expect(append(log, batch({ values: ['x'.repeat(200)] }))).toMatchObject({
      errorCode: 'KAFKA_STORAGE_ERROR',
    })
    expect(log.failure?.code).toBe('EIO')
  })
})

describe('reading', () => {
  test.for([0, 1e6])(
    'an offset inside a batch returns the whole batch (cache %i)',
    (cacheBytes) => {
      const log = open(new SimulatedDisk(), { cacheBytes })
      append(log, batch({ values: ['a', 'b', 'c'] }))
      append(log, batch({ values: ['d', 'e'] }))
      const result = read(log, 4)
      expect(result).toMatchObject({ ok: true, nextOffset: 5 })
      expect(
        result?.ok && readBatchHeader(result.chunks[0] ?? new Uint8Array(), 0).baseOffset,
      ).toBe(3)
    },
  )

  test.for([0, 1e6])('the first batch is returned whatever its size (cache %i)', (cacheBytes) => {
    const log = open(new SimulatedDisk(), { cacheBytes })
    append(log, batch({ values: ['x'.repeat(50_000)] }))
    append(log, batch())
    const result = read(log, 0, { maxBytes: 10 })
    expect(result).toMatchObject({ ok: true, nextOffset: 1 })
    expect(result?.ok && result.sizeBytes).toBeGreaterThan(50_000)
  })

  test.for([0, 1e6])('nothing comes that is above a hard limit (cache %i)', (cacheBytes) => {
    const log = open(new SimulatedDisk(), { cacheBytes })
    const small = batch({ values: ['a'] })
    append(log, small)
    append(log, batch({ values: ['x'.repeat(50_000)] }))
    const readable = (fetchOffset: number, maxBytes: number) =>
      read(log, fetchOffset, { maxBytes, isHardLimit: true })
    expect(readable(0, small.length - 1)).toMatchObject({ sizeBytes: 0, nextOffset: 0 })
    expect(readable(0, 50_000)).toMatchObject({ sizeBytes: small.length, nextOffset: 1 })
    for (const maxBytes of [0, 10, 20_000, 50_000]) {
      expect(readable(1, maxBytes)).toMatchObject({ ok: true, sizeBytes: 0, nextOffset: 1 })
    }
    expect(readable(1, 60_000)).toMatchObject({ nextOffset: 2 })
  })

  test('offsets below the start and above the end are out of range', () => {
    const log = open(new SimulatedDisk())
    append(log, batch())
    expect(read(log, 1)).toMatchObject({ ok: true, sizeBytes: 0, nextOffset: 1 })
    expect(read(log, 2)).toMatchObject({ errorCode: 'OFFSET_OUT_OF_RANGE' })
  })

  test('the tail is served without the disk', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { cacheBytes: 1e6 })
    expect(read(log, 0)).toMatchObject({ ok: true, nextOffset: 0 })
    append(log, batch())
    disk.hook = () => ({ kind: 'fail', code: 'EIO' })
    expect(read(log, 0)).toMatchObject({ ok: true, nextOffset: 1 })
  })

  test('a read that the disk refuses is KAFKA_STORAGE_ERROR and no failure of the log', () => {
    const disk = new SimulatedDisk()
    const log = open(disk)
    append(log, batch())
    disk.hook = ({ kind }) =>
      kind === 'read' ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
    expect(read(log, 0)).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })
    expect(append(log, batch())).toMatchObject({ ok: true })
  })

  test('a watcher hears how many bytes became readable, until it leaves', () => {
    const log = open(new SimulatedDisk())
    const heard: number[] = []
    const first = batch()
    const second = batch({ values: ['a', 'b'] })
    const leave = log.watch({ onReadable: (bytes) => heard.push(bytes), onChanged: () => {} })
    append(log, first)
    append(log, second)
    leave()
    append(log, batch())
    expect(heard).toEqual([first.length, second.length])
    expect(log.readableBytes).toBe(2 * first.length + second.length)
  })

  test.for([
    ['is deleted', (log) => log.delete(() => {})],
    ['is closed', (log) => log.close(() => {})],
    ['loses its oldest records', (log) => log.enforceRetention(2 * NOW_MS, () => {})],
  ] as const satisfies readonly (readonly [string, (log: PartitionLog) => void])[])(
    'a watcher hears that the log %s',
    ([, change]) => {
      const log = open(new SimulatedDisk(), { config: { segmentBytes: 100, retentionMs: 1000 } })
      append(log, batch())
      append(log, batch())
      let changes = 0
      log.watch({ onReadable: () => {}, onChanged: () => (changes += 1) })
      change(log)
      expect(changes).toBe(1)
    },
  )
})

describe('retention', () => {
  test('whole segments go by size, oldest first, and the active one stays', () => {
    const disk = new SimulatedDisk()
    const config = { segmentBytes: 200, retentionBytes: 300 }
    const log = open(disk, { config })
    for (let count = 0; count < 10; count += 1) append(log, batch())
    const before = log.sizeBytes
    expect(settled<void>((done) => log.enforceRetention(NOW_MS, done))).toMatchObject({ ok: true })
    expect(log.sizeBytes).toBeLessThan(before)
    expect(log.sizeBytes).toBeGreaterThanOrEqual(300)
    expect(read(log, 0)).toMatchObject({ errorCode: 'OFFSET_OUT_OF_RANGE' })

    const reopened = open(disk.survivor(LOSE_UNSYNCED), { config })
    expect(reopened.logStartOffset).toBe(log.logStartOffset)
    expect(readAll(reopened)).toEqual(readAll(log))
  })

  test('segments go by the age of their newest record, unless the topic is compacted only', () => {
    const oldConfig = { segmentBytes: 100, retentionMs: 1000 }
    const log = open(new SimulatedDisk(), { config: { ...oldConfig, cleanupPolicy: ['compact'] } })
    append(log, batch({ timestampsMs: [NOW_MS - 2000] }))
    append(log, batch({ timestampsMs: [NOW_MS] }))
    append(log, batch({ timestampsMs: [NOW_MS - 2000] }))
    settled<void>((done) => log.enforceRetention(NOW_MS, done))
    expect(log.logStartOffset).toBe(0)
    const reopened = open(new SimulatedDisk(), { config: oldConfig })
    append(reopened, batch({ timestampsMs: [NOW_MS - 2000] }))
    append(reopened, batch({ timestampsMs: [NOW_MS] }))
    append(reopened, batch({ timestampsMs: [NOW_MS - 2000] }))
    settled<void>((done) => reopened.enforceRetention(NOW_MS, done))
    expect(reopened.logStartOffset).toBe(1)
  })
})

describe('closing and deleting', () => {
  test('a read under way keeps its segment open while retention removes it', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const config = { segmentBytes: 100, retentionBytes: 0 }
    const log = open(disk, { config })
    for (const _ of [1, 2, 3]) append(log, batch())
    disk.drain()
    const answers: unknown[] = []
    log.read({ fetchOffset: 0, maxBytes: 100 }, (result) => answers.push(result))
    log.enforceRetention(NOW_MS, () => {})
    while (disk.queuedCount > 1) disk.complete(disk.queuedCount - 1)
    expect([answers, log.logStartOffset]).toEqual([[], 3])
    disk.drain()
    expect(answers).toMatchObject([{ ok: true, nextOffset: 1 }])
    expect(disk.openFileCount).toBe(1)
  })

  test('an append is answered when the log is closed while its sync runs', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk)
    append(log, batch())
    disk.drain()
    const answers: string[] = []
    const send = (name: string) =>
      log.append(batch(), { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' }, ({ ok }) =>
        answers.push(`${name} ${ok}`),
      )
    send('synced')
    disk.complete(0)
    log.updateConfig({ ...DEFAULT_LOG_CONFIG, durability: 'os' })
    disk.capacityBytes = disk.usedBytes
    send('without room')
    log.close(() => answers.push('closed'))
    for (const _ of ['write', 'truncate']) disk.complete(1)
    disk.drain()
    expect(answers).toEqual(['without room false', 'synced false', 'closed'])
  })

  test('a closed log reopens with everything, and reads nothing of its segments to do so', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { segmentBytes: 300 } })
    for (let count = 0; count < 8; count += 1) append(log, batch({ values: ['a', 'b'] }))
    const content = readAll(log)
    expect(settled<void>((done) => log.close(done))).toEqual({ ok: true, value: undefined })
    expect(append(log, batch())).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })

    const survivor = disk.survivor(LOSE_UNSYNCED)
    const readPaths: string[] = []
    survivor.hook = ({ kind, path }) => {
      if (kind === 'read' && path.endsWith('.log')) readPaths.push(path)
      return { kind: 'proceed' }
    }
    const reopened = open(survivor, { config: { segmentBytes: 300 } })
    expect(readPaths).toEqual([])
    expect(readAll(reopened)).toEqual(content)
    expect(append(reopened, batch())).toMatchObject({ baseOffset: 16 })
  })

  test('a deleted log leaves no file and refuses what was under way', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk)
    const answers: unknown[] = []
    const context = { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' } as const
    log.append(batch(), context, (result) => answers.push(result))
    const isDeleted: boolean[] = []
    log.delete(({ ok }) => isDeleted.push(ok))
    disk.drain()
    expect(answers).toMatchObject([{ ok: false, errorCode: 'UNKNOWN_TOPIC_OR_PARTITION' }])
    expect(isDeleted).toEqual([true])
    expect(disk.paths()).toEqual(['/logs'])
    expect(read(log, 0)).toMatchObject({ errorCode: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })

  test.for(['close', 'delete'] as const)(
    'work on its files that outlives its %s has nothing left to do',
    (end) => {
      const log = open(new SimulatedDisk(), { config: { segmentBytes: 100 } })
      for (let count = 0; count < 3; count += 1) append(log, batch())
      settled<void>((done) => log[end](done))
      expect(log.scrubJob(100).segments).toEqual([])
      expect(settled<void>((done) => log.endCompaction(1, done))).toMatchObject({ ok: true })
    },
  )

  test('a log that cannot be recovered is not opened', () => {
    const disk = new SimulatedDisk()
    const log = open(disk)
    append(log, batch())
    settled<void>((done) => log.close(done))
    disk.open(`${DIRECTORY}/00000000000000000000.log`, 'existing', (file) => {
      if (file.ok) file.value.truncate(1, () => {})
    })
    const openBefore = disk.openFileCount
    expect(tryOpen(disk)).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
    expect(disk.openFileCount).toBe(openBefore)
  })
})
