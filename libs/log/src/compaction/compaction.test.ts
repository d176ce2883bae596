import { describe, expect, test } from 'vitest'
import { CLEANER_FILE, writeCheckpoint } from '../checkpoints.ts'
import { runTask, writeNewFile } from '../disk-task.ts'
import type { LogConfig, ReadResult } from '../index.ts'
import {
  type KeyedRecord,
  altered,
  batches,
  compact,
  keyed,
  plan,
  records,
  shown,
} from '../testing/compaction-fixture.ts'
import { INDEX_SLOT_BYTES } from '../index-file.ts'
import {
  DIRECTORY,
  NOW_MS,
  append,
  lookUp,
  open,
  read,
  readAll,
  settled,
  tryOpen,
} from '../testing/log-fixture.ts'
import { BATCH_HEADER_BYTES, crc32c, splitBatches } from '@fairlead/protocol'
import { KEEP_UNSYNCED, LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'

const DAY_MS = 86_400_000
const CLEANER_PATH = `${DIRECTORY}/${CLEANER_FILE}`

/** In a batch of one record whose key is a letter. */
const KEY = 66
/** The last byte of the number of records. */
const RECORD_COUNT = 60

/** Two records of this size fill a segment. */
const CONFIG: Partial<LogConfig> = {
  segmentBytes: 150,
  indexIntervalBytes: 60,
  cleanupPolicy: ['compact'],
}

function set(key: string | null, value: string | null): KeyedRecord[] {
  return [{ key, value }]
}

function logOf(
  sets: readonly (readonly [key: string | null, value: string | null])[],
  config: Partial<LogConfig> = CONFIG,
) {
  const disk = new SimulatedDisk()
  const log = open(disk, { config, cacheBytes: 1e6 })
  // As a coordinator: clients may write no records without a key.
  for (const [key, value] of sets) {
    append(log, keyed(set(key, value)), { origin: 'coordinator' })
  }
  return { disk, log }
}

test('a compacted segment whose index lost its end is read again, and nothing of it is missing', () => {
  const sets = ['a', 'b', 'a', 'c', 'd', 'e', 'a'].map((key, at) => [key, String(at)] as const)
  const { disk, log } = logOf(sets)
  compact(disk, log)
  const content = shown(log)
  settled<void>((done) => log.close(done))
  const indexes = disk.paths().filter((path) => path.endsWith('.idx'))
  for (const path of indexes.slice(0, -1)) {
    const damaged = disk.survivor(LOSE_UNSYNCED)
    const sizeBytes = damaged.contentOf(path).length - INDEX_SLOT_BYTES
    damaged.open(path, 'existing', (file) => file.ok && file.value.truncate(sizeBytes, () => {}))
    expect(damaged.contentOf(path)).toHaveLength(sizeBytes)
    const reopened = open(damaged, { config: CONFIG })
    expect(shown(reopened)).toEqual(content)
    expect(damaged.contentOf(path)).toEqual(disk.contentOf(path))
  }
  expect(indexes.length).toBeGreaterThan(2)
})

test('damage to the cleaner checkpoint costs a compaction, and no log', () => {
  const sets = ['a', 'a', 'a', 'a', 'b', 'b', 'c'].map((key, at) => [key, String(at)] as const)
  const { disk, log } = logOf(sets)
  compact(disk, log)
  const content = shown(log)
  expect(content.length).toBeLessThan(sets.length)
  settled<void>((done) => log.close(done))
  const sizeBytes = disk.contentOf(CLEANER_PATH).length
  for (let position = 0; position < sizeBytes; position += 1) {
    const damaged = disk.survivor(LOSE_UNSYNCED)
    const bytes = damaged.contentOf(CLEANER_PATH)
    bytes[position] = (bytes[position] ?? 0) ^ 1
    const reopened = open(damaged, { config: CONFIG })
    expect(shown(reopened)).toEqual(content)
    expect(plan(reopened)?.plan.firstDirtyOffset).toBe(0)
  }
})

test('a swap that the cleaner checkpoint does not name is reported, and removes no other segments', () => {
  const sets = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((key, at) => [key, String(at)] as const)
  const { disk, log } = logOf(sets)
  settled<void>((done) => log.close(done))
  const segment = `${DIRECTORY}/00000000000000000000.log`
  const swapped = writeNewFile(disk, `${segment}.swap`, disk.contentOf(segment))
  settled<void>((done) => runTask(swapped, done))
  const target = { disk, directory: DIRECTORY, name: CLEANER_FILE }
  const stale = [
    [0, 4],
    [2, 4],
  ]
  settled<void>((done) => runTask(writeCheckpoint(target, stale, crc32c), done))
  const before = disk.paths()
  const opened = tryOpen(disk, { config: CONFIG })
  expect(opened).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
  expect(disk.paths()).toEqual(before)
})

test('a compacted segment does not take the place of segments that were deleted meanwhile', () => {
  const { disk, log } = logOf(['a', 'b', 'a', 'c', 'd'].map((key) => [key, 'value'] as const))
  settled((done) => log.deleteRecords(2, (result) => done({ ok: true, value: result })))
  const content = shown(log)
  const before = disk.paths()
  for (const [baseOffset, endOffset] of [
    [0, 2],
    [0, 4],
    [2, 3],
  ] as const) {
    const range = { baseOffset, endOffset }
    const replaced = settled<boolean>((done) => log.replaceSegments(range, NOW_MS, done))
    expect(replaced).toEqual({ ok: true, value: false })
  }
  expect(log.failure).toBeUndefined()
  expect([shown(log), disk.paths()]).toEqual([content, before])
})

test('a read of a segment that is replaced meanwhile does not go by the index of the other', () => {
  const waiting: (() => void)[] = []
  let isReading = false
  const disk = new SimulatedDisk({
    completion: (complete) => (isReading ? waiting.push(complete) : complete()),
  })
  const log = open(disk, { config: { ...CONFIG, segmentBytes: 800 } })
  for (const key of 'aaabcdefghijklmnopqrstu') append(log, keyed(set(key, 'value')))
  expect(log.segmentCount).toBe(3)
  // The index of the second segment takes the place of that of the first in memory.
  const content = readAll(log)
  isReading = true
  const answers: ReadResult[] = []
  log.read({ fetchOffset: 8, maxBytes: 1 }, (result) => answers.push(result))
  isReading = false
  compact(disk, log)
  expect(answers).toEqual([])
  expect(splitBatches(disk.contentOf(`${DIRECTORY}/00000000000000000000.log`))).toHaveLength(8)
  while (waiting.length > 0) waiting.shift()?.()
  const wanted = splitBatches(content)[8]
  const position = wanted?.position ?? 0
  expect(answers).toMatchObject([
    { ok: true, chunks: [content.slice(position, position + (wanted?.sizeBytes ?? 0))] },
  ])
})

test('a compacted segment without an index is not opened without what rotted in it', () => {
  const sets = ['a', 'b', 'a', 'c', 'd', 'e', 'a'].map((key, at) => [key, String(at)] as const)
  const { disk, log } = logOf(sets)
  compact(disk, log)
  settled<void>((done) => log.close(done))
  for (const path of disk.paths().filter((name) => name.endsWith('.idx'))) {
    disk.removeFile(path, () => {})
  }
  const closed = disk.paths().filter((name) => name.endsWith('.log'))
  closed.pop()
  expect(closed.length).toBeGreaterThan(1)
  for (const path of closed) {
    const content = disk.survivor(KEEP_UNSYNCED).contentOf(path)
    for (const { position, sizeBytes } of splitBatches(content)) {
      for (const at of [position + BATCH_HEADER_BYTES, position + sizeBytes - 1]) {
        const damaged = disk.survivor(KEEP_UNSYNCED)
        const bytes = damaged.contentOf(path)
        bytes[at] = (bytes[at] ?? 0) ^ 1
        const opened = tryOpen(damaged, { config: CONFIG })
        expect(opened).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
        expect(damaged.contentOf(path)).toHaveLength(content.length)
      }
    }
  }
})

describe('a compaction', () => {
  test('leaves the latest record of each key, at its offset, and the active segment as it is', () => {
    const { disk, log } = logOf([
      ['a', '0'],
      ['b', '1'],
      ['a', '2'],
      ['c', '3'],
      ['a', '4'],
      ['b', '5'],
      ['a', '6'],
    ])
    expect(compact(disk, log)).toMatchObject({
      ok: true,
      value: { firstDirtyOffset: 6, readRecordCount: 6, retainedRecordCount: 3 },
    })
    expect(shown(log)).toEqual(['c=3@3', 'a=4@4', 'b=5@5', 'a=6@6'])
    expect(log.logEndOffset).toBe(7)
    expect(log.logStartOffset).toBe(0)
  })

  test('survives a restart, with and without its indexes', () => {
    const { disk, log } = logOf([
      ['a', '0'],
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
      ['c', '4'],
    ])
    compact(disk, log)
    const before = shown(log)
    const survivor = disk.survivor(LOSE_UNSYNCED)
    expect(shown(open(survivor, { config: CONFIG }))).toEqual(before)
    for (const path of disk.paths().filter((name) => name.endsWith('.idx'))) {
      disk.removeFile(path, () => {})
    }
    const unindexed = open(disk, { config: CONFIG })
    expect(shown(unindexed)).toEqual(before)
    append(unindexed, keyed(set('a', '5')))
    expect(shown(unindexed)).toEqual([...before, 'a=5@5'])
  })

  test('makes one segment of several as long as they fit', () => {
    const { disk, log } = logOf(
      Array.from({ length: 13 }, (_, index) => [`key ${index % 2}`, 'value'] as const),
      { ...CONFIG, segmentBytes: 170 },
    )
    const segmentCount = () => disk.paths().filter((path) => path.endsWith('.log')).length
    expect(segmentCount()).toBe(7)
    compact(disk, log)
    expect(segmentCount()).toBe(2)
    expect(shown(log)).toEqual(['key 0=value@10', 'key 1=value@11', 'key 0=value@12'])
    expect(disk.paths().filter((path) => /cleaned|swap/.test(path))).toEqual([])
  })

  test('removes records without a key, which older topics may hold', () => {
    const { disk, log } = logOf([
      [null, '0'],
      ['a', '1'],
      [null, '2'],
      ['b', '3'],
      ['c', '4'],
    ])
    expect(compact(disk, log)).toMatchObject({ ok: true, value: { invalidRecordCount: 2 } })
    expect(shown(log)).toEqual(['a=1@1', 'b=3@3', 'c=4@4'])
  })

  test('reads and writes compressed batches, with what is left of their records', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...CONFIG, segmentBytes: 1 } })
    const pair = keyed([
      { key: 'a', value: '0' },
      { key: 'b', value: '1', timestampMs: NOW_MS + 5 },
    ])
    append(log, altered(pair, { compression: 'zstd' }))
    append(log, altered(keyed(set('a', '2')), { compression: 'lz4' }))
    append(log, keyed(set('c', '3')))
    compact(disk, log)
    expect(shown(log)).toEqual(['b=1@1', 'a=2@2', 'c=3@3'])
    const [first] = batches(log)
    expect(first).toMatchObject({
      compression: 'zstd',
      baseOffset: 0,
      lastOffsetDelta: 1,
      recordCount: 1,
      maxTimestampMs: NOW_MS + 5,
    })
  })

  test('keeps a batch whole that it cannot open', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...CONFIG, segmentBytes: 1 } })
    append(log, altered(keyed(set('a', '0')), { compression: 'snappy' }))
    append(log, keyed(set('a', '1')))
    append(log, keyed(set('a', '2')))
    const closed = () => {
      throw new Error('no codec')
    }
    const result = compact(disk, log, { codecs: { compress: closed, decompress: closed } })
    expect(result).toMatchObject({ ok: true, value: { unreadBatchCount: 1 } })
    expect(shown(log)).toEqual(['a=0@0', 'a=1@1', 'a=2@2'])
  })

  test('goes as far as its map has room, and on from there', () => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'a', 'b', 'c', 'd', 'e', 'f']
    const { disk, log } = logOf(keys.map((key, index) => [key, String(index)] as const))
    const room = { mapBytes: 24 * 4, mapLoadFactor: 0.75 }
    expect(compact(disk, log, room)).toMatchObject({ ok: true, value: { firstDirtyOffset: 3 } })
    expect(shown(log).length).toBe(11)
    while ((plan(log)?.plan.cleanableBytes ?? 0) > 0) compact(disk, log, room)
    expect(shown(log)).toEqual(['a=5@5', 'b=6@6', 'c=7@7', 'd=8@8', 'e=9@9', 'f=10@10'])
  })

  test('is not seen by a reader in the middle of what it replaces', () => {
    const { disk, log } = logOf([
      ['a', '0'],
      ['a', '1'],
      ['a', '2'],
      ['a', '3'],
      ['b', '4'],
    ])
    compact(disk, log)
    for (const fetchOffset of [0, 1, 2, 3]) {
      expect(read(log, fetchOffset, { maxBytes: 1 })).toMatchObject({ ok: true, nextOffset: 4 })
    }
    expect(read(log, 4)).toMatchObject({ ok: true, nextOffset: 5 })
  })

  test('serves from the disk what the cache remembers otherwise', () => {
    const { disk, log } = logOf([
      ['a', '0'],
      ['a', '1'],
      ['a', '2'],
    ])
    expect(shown(log).length).toBe(3)
    compact(disk, log)
    expect(shown(log)).toEqual(['a=1@1', 'a=2@2'])
  })

  test('finds a bad source before it copies it', () => {
    const { disk, log } = logOf([
      ['a', '0'],
      ['b', '1'],
      ['c', '2'],
    ])
    const content = disk.contentOf(`${DIRECTORY}/00000000000000000000.log`)
    content[content.length - 3] = 0xff
    expect(compact(disk, log)).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
    expect(disk.paths().filter((path) => path.includes('cleaned'))).toEqual([])
    expect(log.failure).toBeUndefined()
  })

  test('does not count when something else was written than was to be', () => {
    const { disk, log } = logOf([
      ['a', '0'],
      ['b', '1'],
      ['c', '2'],
    ])
    const closed = `${DIRECTORY}/00000000000000000000.log.cleaned`
    disk.hook = ({ kind, path }) => {
      if (kind === 'datasync' && path === closed) disk.contentOf(path).fill(0, 62)
      return { kind: 'proceed' }
    }
    append(log, keyed(set('a', '3')))
    append(log, keyed(set('a', '4')))
    expect(compact(disk, log)).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
    expect(shown(log)).toEqual(['a=0@0', 'b=1@1', 'c=2@2', 'a=3@3', 'a=4@4'])
  })

  test.for([
    { what: 'the latest record of a key', position: KEY, value: 0x7a },
    { what: 'a record behind what the map covers', position: RECORD_COUNT, value: 0 },
  ])('does not count when $what is missing from what was written', ({ position, value }) => {
    const { disk, log } = logOf([
      ['a', '0'],
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
      ['d', '4'],
    ])
    const before = shown(log)
    const cleaned = `${DIRECTORY}/00000000000000000002.log.cleaned`
    const isOfLatest = position === KEY
    disk.hook = ({ kind, path }) => {
      if (kind === 'datasync' && path === cleaned) {
        const content = disk.contentOf(path)
        const [first, second] = splitBatches(content)
        const at = (isOfLatest ? first : second)?.position ?? 0
        const written = content.subarray(at, at + (first?.sizeBytes ?? 0))
        written[position] = value
        new DataView(written.buffer, written.byteOffset).setUint32(17, crc32c(written.subarray(21)))
      }
      return { kind: 'proceed' }
    }
    const room = { mapBytes: 24 * 3, mapLoadFactor: 0.7 }
    const result = compact(disk, log, room)
    expect(result).toMatchObject({ ok: false, error: { code: 'COMPACTION_MISMATCH' } })
    expect(shown(log).at(-1)).toBe(before.at(-1))
    expect(shown(log)).toEqual(before.slice(1))
  })

  test('a full disk ends it, and the log goes on', () => {
    const { disk, log } = logOf([
      ['a', '0'],
      ['a', '1'],
      ['a', '2'],
    ])
    disk.hook = ({ kind, path }) =>
      kind === 'write' && path.includes('cleaned')
        ? { kind: 'fail', code: 'ENOSPC' }
        : { kind: 'proceed' }
    expect(compact(disk, log)).toMatchObject({ ok: false, error: { code: 'ENOSPC' } })
    expect(disk.paths().filter((path) => path.includes('cleaned'))).toEqual([])
    expect(append(log, keyed(set('a', '3')))).toMatchObject({ ok: true })
    expect(shown(log).length).toBe(4)
  })

  test('a disk that is full once the segments are being replaced ends the log, which opens again', () => {
    const operations = ['syncDirectory', 'rename', 'open']
    const outcomes = Array.from({ length: 20 }, (_, fullAt) => {
      const { disk, log } = logOf([
        ['a', '0'],
        ['a', '1'],
        ['a', '2'],
      ])
      let isSwapping = false
      let count = 0
      disk.hook = ({ kind, path }) => {
        isSwapping ||= kind === 'rename' && path.endsWith('.log.cleaned')
        const isFull = isSwapping && operations.includes(kind) && count === fullAt
        if (isSwapping && operations.includes(kind)) count += 1
        return isFull ? { kind: 'fail', code: 'ENOSPC' } : { kind: 'proceed' }
      }
      const result = compact(disk, log)
      disk.hook = () => ({ kind: 'proceed' })
      for (const choices of [LOSE_UNSYNCED, KEEP_UNSYNCED]) {
        const reopened = open(disk.survivor(choices), { config: CONFIG })
        expect(shown(reopened).at(-1)).toBe('a=2@2')
      }
      return `${result?.ok === true ? 'compacted' : 'refused'}, ${log.failure?.code ?? 'open'}`
    })
    // The rename itself changes nothing when it fails.
    expect(outcomes[0]).toBe('refused, open')
    expect(outcomes[1]).toBe('refused, ENOSPC')
    expect(new Set(outcomes.slice(1))).toEqual(
      new Set(['refused, ENOSPC', 'refused, open', 'compacted, open']),
    )
  })
})

describe('max.compaction.lag.ms', () => {
  test('is counted from the first record that is not compacted, which is read from the disk', () => {
    const { disk, log } = logOf([], {
      ...CONFIG,
      maxCompactionLagMs: 1000,
      minCleanableDirtyRatio: 1,
    })
    const at = (timestampMs: number) => keyed([{ key: 'a', value: 'value', timestampMs }])
    for (const timestampMs of [100, 50, 900, 950, 990]) append(log, at(timestampMs))
    log.close(() => {})
    const reopened = open(disk, {
      config: { ...CONFIG, maxCompactionLagMs: 1000, minCleanableDirtyRatio: 1 },
    })
    expect(plan(reopened, 1100)?.plan).toMatchObject({ delayMs: 0, isDue: false })
    expect(plan(reopened, 1110)?.plan).toMatchObject({ delayMs: 10, isDue: true })
    compact(disk, reopened)
    expect(plan(reopened, 9999)?.plan).toMatchObject({ delayMs: 0, isDue: false })
  })
})

describe('a tombstone', () => {
  const config = { ...CONFIG, deleteRetentionMs: DAY_MS }

  test('removes what was before it at once, and goes a day after that', () => {
    const { disk, log } = logOf(
      [
        ['a', '0'],
        ['a', null],
        ['b', '2'],
      ],
      config,
    )
    compact(disk, log)
    expect(shown(log)).toEqual(['a=null@1', 'b=2@2'])
    expect(batches(log)[0]).toMatchObject({
      hasDeleteHorizon: true,
      baseTimestampMs: NOW_MS + DAY_MS,
      maxTimestampMs: NOW_MS,
    })
    expect(records(log)[0]?.timestampMs).toBe(NOW_MS)

    append(log, keyed(set('b', '3')))
    append(log, keyed(set('b', '4')))
    compact(disk, log, { nowMs: NOW_MS + DAY_MS - 1 })
    expect(shown(log)).toEqual(['a=null@1', 'b=3@3', 'b=4@4'])
    append(log, keyed(set('b', '5')))
    append(log, keyed(set('b', '6')))
    compact(disk, log, { nowMs: NOW_MS + DAY_MS })
    expect(shown(log)).toEqual(['b=5@5', 'b=6@6'])
  })

  test('that the map does not cover yet does not begin its time', () => {
    const { disk, log } = logOf(
      [
        ['a', '0'],
        ['b', '1'],
        ['c', null],
        ['d', '3'],
        ['e', '4'],
      ],
      config,
    )
    compact(disk, log, { mapBytes: 24 * 3, mapLoadFactor: 0.7 })
    expect(batches(log).map(({ hasDeleteHorizon }) => hasDeleteHorizon)).not.toContain(true)
  })

  test('that the map does not cover, in a batch that it covers in part, does not begin its time', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...config, segmentBytes: 1 } })
    append(log, keyed(set('a', '0')))
    const straddling = ['b', 'c', 'a'].map((key) => ({ key, value: key === 'a' ? null : 'value' }))
    append(log, keyed(straddling))
    append(log, keyed(set('d', '4')))
    const room = { mapBytes: 24 * 3, mapLoadFactor: 0.7 }
    expect(compact(disk, log, room)).toMatchObject({ ok: true, value: { firstDirtyOffset: 2 } })
    // A day on, this one removes what was before the tombstone: its day begins.
    const later = { ...room, nowMs: NOW_MS + DAY_MS }
    expect(compact(disk, log, later)).toMatchObject({ ok: true, value: { firstDirtyOffset: 4 } })
    expect(shown(log)).toEqual(['b=value@1', 'c=value@2', 'a=null@3', 'd=4@4'])
    const horizonMs = NOW_MS + 2 * DAY_MS
    expect(batches(log)[0]).toMatchObject({ hasDeleteHorizon: true, baseTimestampMs: horizonMs })
  })

  test('whose time is over stays while what was before it does', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...config, segmentBytes: 1 } })
    append(log, keyed(set('a', '0')))
    // As it comes from another cluster that has compacted it: its time is in the batch, and over.
    const copied = keyed([
      { key: 'b', value: '1' },
      { key: 'c', value: '2' },
      { key: 'a', value: null },
    ])
    append(log, altered(copied, { hasDeleteHorizon: true }))
    append(log, keyed(set('d', '4')))
    const room = { mapBytes: 24 * 3, mapLoadFactor: 0.7 }
    expect(compact(disk, log, room)).toMatchObject({ ok: true, value: { firstDirtyOffset: 2 } })
    expect(shown(log)).toEqual(['a=0@0', 'b=1@1', 'c=2@2', 'a=null@3', 'd=4@4'])
    expect(compact(disk, log, room)).toMatchObject({ ok: true, value: { firstDirtyOffset: 4 } })
    expect(shown(log)).toEqual(['b=1@1', 'c=2@2', 'd=4@4'])
  })
})

describe('the last batch of a producer', () => {
  const produced = (key: string, sequence: number) =>
    keyed(set(key, String(sequence)), {
      producerId: 7,
      producerEpoch: 1,
      baseSequence: sequence,
    })

  test('stays without its records, and still tells a retry', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...CONFIG, segmentBytes: 1 } })
    for (let sequence = 0; sequence < 3; sequence += 1) append(log, produced('a', sequence))
    append(log, keyed(set('a', 'x')))
    append(log, keyed(set('a', 'y')))
    compact(disk, log)
    expect(shown(log)).toEqual(['a=x@3', 'a=y@4'])
    expect(batches(log)[0]).toMatchObject({
      baseOffset: 2,
      producerId: 7,
      producerEpoch: 1,
      baseSequence: 2,
      recordCount: 0,
      lastOffsetDelta: 0,
    })
    // Without snapshots the state comes from the batches alone.
    for (const path of disk.paths().filter((name) => name.endsWith('.snap'))) {
      disk.removeFile(path, () => {})
    }
    const reopened = open(disk, { config: CONFIG })
    expect(append(reopened, produced('a', 2))).toMatchObject({ duplicate: true, baseOffset: 2 })
    expect(append(reopened, produced('a', 4))).toMatchObject({
      ok: false,
      errorCode: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    })
    expect(append(reopened, produced('a', 3))).toMatchObject({ ok: true, duplicate: false })
  })

  test('without its records does not hide the greatest timestamp of those that are left', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...CONFIG, segmentBytes: 1 } })
    const producer = { producerId: 7, producerEpoch: 1, baseSequence: 0 }
    append(log, keyed([{ key: 'a', value: '0', timestampMs: NOW_MS + 5 }], producer))
    for (const key of ['b', 'a', 'c']) append(log, keyed(set(key, 'value')))
    compact(disk, log)
    expect(batches(log)[0]).toMatchObject({ recordCount: 0, producerId: 7 })
    const greatest = lookUp((done) => log.offsetOfMaxTimestamp(done))
    expect(greatest).toMatchObject({ ok: true, found: { offset: 1, timestampMs: NOW_MS } })
  })

  test('goes once the producer is forgotten', () => {
    const disk = new SimulatedDisk()
    const config = { ...CONFIG, segmentBytes: 1, producerIdExpirationMs: 1000 }
    const log = open(disk, { config })
    append(log, produced('a', 0))
    append(log, keyed(set('a', 'x')))
    append(log, keyed(set('a', 'y')))
    settled<void>((done) => log.enforceRetention(NOW_MS + 1000, done))
    compact(disk, log)
    expect(batches(log).map(({ baseOffset }) => baseOffset)).toEqual([1, 2])
  })
})

test('with delete and compact, old segments go and the rest is compacted', () => {
  const disk = new SimulatedDisk()
  const config: Partial<LogConfig> = {
    ...CONFIG,
    segmentBytes: 1,
    cleanupPolicy: ['compact', 'delete'],
    retentionMs: 1000,
  }
  const log = open(disk, { config })
  const at = (key: string, timestampMs: number) => keyed([{ key, value: 'v', timestampMs }])
  append(log, at('old', NOW_MS - 2000))
  append(log, at('a', NOW_MS))
  append(log, at('a', NOW_MS))
  append(log, at('a', NOW_MS))
  settled<void>((done) => log.enforceRetention(NOW_MS, done))
  compact(disk, log)
  expect(shown(log)).toEqual(['a=v@2', 'a=v@3'])
  expect(log.logStartOffset).toBe(1)
})
