import { expect, test } from 'vitest'
import { CLEANER_FILE, writeCheckpoint } from '../checkpoints.ts'
import { runTask, writeNewFile } from '../disk-task.ts'
import type { ReadResult } from '../index.ts'
import { INDEX_SLOT_BYTES } from '../index-file.ts'
import { CONFIG, compact, keyed, logOf, plan, set, shown } from '../testing/compaction-fixture.ts'
import {
  DIRECTORY,
  NOW_MS,
  append,
  open,
  read,
  readAll,
  settled,
  tryOpen,
} from '../testing/log-fixture.ts'
import { BATCH_HEADER_BYTES, crc32c, splitBatches } from '@fairlead/protocol'
import { KEEP_UNSYNCED, LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'

const CLEANER_PATH = `${DIRECTORY}/${CLEANER_FILE}`

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

test('a compaction is not seen by a reader in the middle of what it replaces', () => {
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
