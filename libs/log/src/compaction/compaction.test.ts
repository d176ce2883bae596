import { describe, expect, test } from 'vitest'
import type { LogConfig } from '../index.ts'
import {
  CONFIG,
  altered,
  batches,
  compact,
  keyed,
  logOf,
  plan,
  set,
  shown,
} from '../testing/compaction-fixture.ts'
import { DIRECTORY, NOW_MS, append, open, settled } from '../testing/log-fixture.ts'
import { crc32c, splitBatches } from '@fairlead/protocol'
import { LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'

/** In a batch of one record whose key is a letter. */
const KEY = 66
/** The last byte of the number of records. */
const RECORD_COUNT = 60

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
