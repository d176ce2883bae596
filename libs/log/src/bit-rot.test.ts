import { KEEP_UNSYNCED, LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { describe, expect, test } from 'vitest'
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

/** Rot and torn writes behind the newest durable state, where only the index tells them apart. */

const SEGMENT = `${DIRECTORY}/00000000000000000000.log`
const CONFIG = { indexIntervalBytes: 100 }

function lived(disk: SimulatedDisk): void {
  const log = open(disk, { config: CONFIG })
  for (let index = 0; index < 7; index += 1) {
    if (index === 2) settled<void>((done) => log.checkpoint(done))
    append(log, batch({ values: [`value ${index}`] }), { leaderEpoch: index >> 1 })
  }
}

test('after kill -9 a flipped byte of what was acknowledged is reported and never cut', () => {
  const disk = new SimulatedDisk()
  lived(disk)
  const sizeBytes = disk.survivor(KEEP_UNSYNCED).contentOf(SEGMENT).length
  const durableBytes = 2 * batch({ values: ['value 0'] }).length
  for (let position = durableBytes; position < sizeBytes; position += 1) {
    const survivor = disk.survivor(KEEP_UNSYNCED)
    const content = survivor.contentOf(SEGMENT)
    content[position] = (content[position] ?? 0) ^ 0x10
    expect(tryOpen(survivor, { config: CONFIG })).toMatchObject({
      ok: false,
      error: { code: 'LOG_CORRUPT' },
    })
    expect(survivor.contentOf(SEGMENT)).toHaveLength(sizeBytes)
  }
})

test('and so it is when a recovery was killed before, at any of its operations', () => {
  const disk = new SimulatedDisk()
  lived(disk)
  const acknowledgedBytes = disk.contentOf(SEGMENT).length
  // A batch that the index does not know yet, so that recovery writes the index.
  const unindexed = disk.afterKill()
  const log = open(unindexed, { config: CONFIG })
  unindexed.hook = ({ kind }) =>
    kind === 'datasync' ? { kind: 'crash', keptBytes: 0 } : { kind: 'proceed' }
  append(log, batch(), { leaderEpoch: 9 })
  const sizeBytes = unindexed.contentOf(SEGMENT).length
  expect(sizeBytes).toBeGreaterThan(acknowledgedBytes)

  for (let crashAt = 0, isCrashed = true; isCrashed; crashAt += 1) {
    const killed = unindexed.survivor(KEEP_UNSYNCED)
    let operations = 0
    killed.hook = () => {
      operations += 1
      return operations > crashAt ? { kind: 'crash', keptBytes: 0 } : { kind: 'proceed' }
    }
    tryOpen(killed, { config: CONFIG })
    isCrashed = killed.hasCrashed
    const survivor = killed.survivor(KEEP_UNSYNCED)
    const content = survivor.contentOf(SEGMENT)
    content[acknowledgedBytes - 1] = (content[acknowledgedBytes - 1] ?? 0) ^ 0x10
    expect(tryOpen(survivor, { config: CONFIG }), `killed at ${crashAt}`).toMatchObject({
      ok: false,
      error: { code: 'LOG_CORRUPT' },
    })
    expect(survivor.contentOf(SEGMENT)).toHaveLength(sizeBytes)
  }
})

test('nothing is acknowledged that the index cannot say, so that damage is never taken for a torn write', () => {
  const disk = new SimulatedDisk()
  const log = open(disk)
  append(log, batch())
  disk.hook = ({ kind, path }) =>
    kind === 'write' && path.endsWith('.idx') ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
  expect(append(log, batch())).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
  expect(log.failure?.code).toBe('EIO')
})

test('a sync that failed is not tried again, by whoever waits for one', () => {
  const disk = new SimulatedDisk({ completion: 'queued' })
  const log = open(disk)
  log.append(batch(), { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' }, () => {})
  disk.drain()
  let syncs = 0
  disk.hook = ({ kind, path }) => {
    if (kind !== 'datasync' || !path.endsWith('.idx')) return { kind: 'proceed' }
    syncs += 1
    return { kind: 'fail', code: 'EIO' }
  }
  log.checkpoint(() => {})
  log.checkpoint(() => {})
  log.close(() => {})
  disk.drain()
  expect(syncs).toBe(1)
  expect(log.failure?.code).toBe('EIO')
})

test('a segment that lost what was acknowledged is reported, wherever it ends', () => {
  const disk = new SimulatedDisk()
  lived(disk)
  const sizeBytes = disk.survivor(KEEP_UNSYNCED).contentOf(SEGMENT).length
  for (let cut = 0; cut < sizeBytes; cut += 1) {
    const survivor = disk.survivor(KEEP_UNSYNCED)
    survivor.open(SEGMENT, 'existing', (file) => file.ok && file.value.truncate(cut, () => {}))
    expect(tryOpen(survivor)).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
  }
})

test('a torn write behind what was acknowledged is cut, whatever it left', () => {
  const disk = new SimulatedDisk()
  lived(disk)
  const acknowledged = disk.survivor(KEEP_UNSYNCED).contentOf(SEGMENT).slice()
  const torn = batch({ values: ['torn'] })
  for (let kept = 0; kept < torn.length; kept += 1) {
    for (const fill of [0, 0xaa]) {
      const survivor = disk.survivor(KEEP_UNSYNCED)
      const write = new Uint8Array(torn.length).fill(fill)
      write.set(torn.subarray(0, kept))
      survivor.open(SEGMENT, 'existing', (file) => {
        if (file.ok) file.value.write(acknowledged.length, [write], () => {})
      })
      const log = open(survivor, { config: CONFIG })
      expect(readAll(log)).toEqual(acknowledged)
      expect(log.truncatedBytes).toBe(torn.length)
    }
  }
})

test('a batch of an older write in the place of what was durable is found out, whatever it claims', () => {
  const older = new SimulatedDisk()
  append(open(older), batch({ values: ['never', 'acknowledged', 'by', 'anyone'] }))
  const stale = older.contentOf(SEGMENT)
  const requireReported = (disk: SimulatedDisk) => {
    const content = disk.contentOf(SEGMENT)
    const sizeBytes = content.length
    expect(stale.length).toBeLessThan(sizeBytes)
    content.set(stale)
    expect(tryOpen(disk)).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
    expect(disk.contentOf(SEGMENT)).toHaveLength(sizeBytes)
  }
  const disk = new SimulatedDisk()
  const log = open(disk)
  for (const value of ['a', 'b', 'c']) append(log, batch({ values: [value] }))
  // The index tells what stood there; without it the durable state tells how many bytes did.
  requireReported(disk.survivor(KEEP_UNSYNCED))
  settled<void>((done) => log.close(done))
  settled<void>((done) => disk.removeFile(SEGMENT.replace('.log', '.idx'), done))
  requireReported(disk)
})

describe('the index after a restart', () => {
  test.for([10, 100, 100_000])('goes on with intervals of %i bytes', (indexIntervalBytes) => {
    const disk = new SimulatedDisk()
    lived(disk)
    const restarted = disk.survivor(KEEP_UNSYNCED)
    const log = open(restarted, { config: { indexIntervalBytes } })
    for (let index = 0; index < 4; index += 1) append(log, batch(), { leaderEpoch: 9 })
    const content = readAll(log)
    settled<void>((done) => log.close(done))
    for (const choices of [KEEP_UNSYNCED, LOSE_UNSYNCED]) {
      const again = open(restarted.survivor(choices), { config: CONFIG })
      expect(readAll(again, 1)).toEqual(content)
    }
    const survivor = restarted.survivor(KEEP_UNSYNCED)
    const bytes = survivor.contentOf(SEGMENT)
    bytes[12] = 1
    for (const name of survivor.paths().filter((path) => path.endsWith('.snap'))) {
      survivor.removeFile(name, () => {})
    }
    expect(tryOpen(survivor)).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
  })
})

test('a batch that rotted on the disk is not served, and those before it are', () => {
  const disk = new SimulatedDisk()
  const log = open(disk)
  for (const value of ['a', 'b', 'c']) append(log, batch({ values: [value] }))
  const content = disk.contentOf(SEGMENT)
  content[content.length - 1] = (content.at(-1) ?? 0) ^ 1
  expect(read(log, 0)).toMatchObject({ ok: true, nextOffset: 2 })
  expect(read(log, 2)).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
})

test('a batch whose base offset rotted is not served in the place of the next one', () => {
  const disk = new SimulatedDisk()
  const log = open(disk)
  append(log, batch({ values: ['a', 'b', 'c'] }))
  append(log, batch({ values: ['d'] }))
  // The last byte of the base offset, which no checksum of the batch covers: 1 to 3 instead of 0 to 2.
  disk.contentOf(SEGMENT)[7] = 1
  expect(read(log, 3)).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
})

test('a closed segment whose index is damaged inside is read by an index that is made anew', () => {
  const disk = new SimulatedDisk()
  const config = { segmentBytes: 500, indexIntervalBytes: 60 }
  const log = open(disk, { config })
  for (let index = 0; index < 12; index += 1) append(log, batch({ values: [`value ${index}`] }))
  const content = readAll(log)
  settled<void>((done) => log.close(done))
  const slot = disk.contentOf(SEGMENT.replace('.log', '.idx'))
  slot[2 * 32] = (slot[2 * 32] ?? 0) ^ 1
  expect(readAll(open(disk, { config }), 1)).toEqual(content)
})
