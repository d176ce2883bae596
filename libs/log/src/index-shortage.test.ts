import { crc32c } from '@fairlead/protocol'
import { KEEP_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { expect, test } from 'vitest'
import { runTask } from './disk-task.ts'
import { INDEX_SLOT_BYTES } from './index-file.ts'
import { type DamagedRange, type LogConfig, type PartitionLog, scrubLog } from './index.ts'
import {
  DIRECTORY,
  NOW_MS,
  append,
  batch,
  open,
  readAll,
  settled,
  tryOpen,
} from './testing/log-fixture.ts'

/** A disk that has room for batches, and none for what the index says of them. */

const SEGMENT = `${DIRECTORY}/00000000000000000000.log`
/** An interval for each batch. */
const CONFIG: Partial<LogConfig> = { indexIntervalBytes: 60 }
const sent = (index: number) => batch({ values: [`value ${index}`] })
const BATCH_BYTES = sent(0).length
const DAY_MS = 86_400_000

/** Room for one more batch, to the byte. */
function appendWithoutRoom(disk: SimulatedDisk, log: PartitionLog, index: number): void {
  disk.capacityBytes = disk.usedBytes + BATCH_BYTES
  expect(append(log, sent(index))).toMatchObject({ ok: true })
  expect(disk.usedBytes).toBe(disk.capacityBytes)
}

/** Every acknowledged byte, flipped after a kill, is reported, and cuts nothing. */
function expectNoticed(disk: SimulatedDisk, acknowledgedBytes: number, config = CONFIG): void {
  for (let position = 0; position < acknowledgedBytes; position += 7) {
    const survivor = disk.survivor(KEEP_UNSYNCED)
    const content = survivor.contentOf(SEGMENT)
    content[position] = (content[position] ?? 0) ^ 0x10
    const sizeBytes = content.length
    expect(tryOpen(survivor, { config }), `byte ${position}`).toMatchObject({
      ok: false,
      error: { code: 'LOG_CORRUPT' },
    })
    expect(survivor.contentOf(SEGMENT)).toHaveLength(sizeBytes)
  }
}

test('what is acknowledged meanwhile is never taken for torn', () => {
  const disk = new SimulatedDisk()
  const log = open(disk, { config: CONFIG })
  append(log, sent(0))
  for (const index of [1, 2, 3]) {
    appendWithoutRoom(disk, log, index)
    expectNoticed(disk, (index + 1) * BATCH_BYTES)
  }
  disk.capacityBytes = Number.POSITIVE_INFINITY
  for (const index of [4, 5]) {
    append(log, sent(index))
    expectNoticed(disk, (index + 1) * BATCH_BYTES)
  }
  const content = readAll(log)
  const restarted = disk.survivor(KEEP_UNSYNCED)
  const reopened = open(restarted, { config: CONFIG })
  expect(readAll(reopened)).toEqual(content)
  const damaged: DamagedRange[] = []
  const ports = { disk: restarted, crc32c, onDamage: (range: DamagedRange) => damaged.push(range) }
  runTask(scrubLog(reopened.scrubJob(100), ports), () => {})
  expect(damaged).toEqual([])
})

test('nor while one slot is replaced by several, at whatever operation the process is killed', () => {
  for (let crashAt = 0, isCrashed = true; isCrashed; crashAt += 1) {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: CONFIG })
    append(log, sent(0))
    for (const index of [1, 2]) appendWithoutRoom(disk, log, index)
    disk.capacityBytes = Number.POSITIVE_INFINITY
    let operations = 0
    disk.hook = ({ sizeBytes }) => {
      operations += 1
      return operations > crashAt
        ? { kind: 'crash', keptBytes: Math.min(sizeBytes, 40) }
        : { kind: 'proceed' }
    }
    append(log, sent(3))
    isCrashed = disk.hasCrashed
    expectNoticed(disk, 3 * BATCH_BYTES)
  }
})

test('nor by what is written first after a start, in slots that reach further', () => {
  const lives = [
    { before: CONFIG, batches: 2, isFull: true },
    { before: { indexIntervalBytes: 10_000 }, batches: 2, isFull: false },
  ]
  for (const { before: config, batches, isFull } of lives) {
    for (let crashAt = 0, isCrashed = true; isCrashed; crashAt += 1) {
      const before = new SimulatedDisk()
      const log = open(before, { config })
      append(log, sent(0))
      for (let index = 1; index <= batches; index += 1) {
        if (isFull) appendWithoutRoom(before, log, index)
        else append(log, sent(index))
      }
      const disk = before.afterKill()
      const again = open(disk, { config: CONFIG })
      disk.capacityBytes = disk.usedBytes + BATCH_BYTES
      let operations = 0
      disk.hook = () => {
        operations += 1
        return operations > crashAt ? { kind: 'crash', keptBytes: 0 } : { kind: 'proceed' }
      }
      append(again, sent(batches + 1))
      isCrashed = disk.hasCrashed
      expectNoticed(disk, (batches + 1) * BATCH_BYTES)
    }
  }
})

test('a segment whose index has no place takes no append, and goes on with the first room', () => {
  const disk = new SimulatedDisk()
  const log = open(disk, { config: CONFIG })
  disk.capacityBytes = disk.usedBytes + BATCH_BYTES
  expect(append(log, sent(0))).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
  expect(log).toMatchObject({ logEndOffset: 0, failure: undefined })
  disk.capacityBytes = Number.POSITIVE_INFINITY
  expect(append(log, sent(0))).toMatchObject({ ok: true, baseOffset: 0 })
  expectNoticed(disk, BATCH_BYTES)
})

test('a start on a full disk says in the old slots what it found and serves', () => {
  for (const indexIntervalBytes of [60, 10_000]) {
    const config = { ...CONFIG, indexIntervalBytes }
    const disk = new SimulatedDisk()
    const log = open(disk, { config })
    append(log, sent(0))
    disk.hook = ({ kind, path }) =>
      kind === 'datasync' && path === SEGMENT
        ? { kind: 'crash', keptBytes: 0 }
        : { kind: 'proceed' }
    append(log, sent(1))
    const restarted = disk.afterKill()
    restarted.capacityBytes = restarted.usedBytes
    expect(open(restarted, { config }).logEndOffset).toBe(2)
    expectNoticed(restarted, 2 * BATCH_BYTES, config)
  }
})

test('a segment that ends meanwhile is known by its index all the same', () => {
  const disk = new SimulatedDisk()
  const config = { ...CONFIG, segmentBytes: 5 * BATCH_BYTES }
  const log = open(disk, { config })
  append(log, sent(0))
  // A piece of a slot finds room.
  disk.capacityBytes = disk.usedBytes + BATCH_BYTES + 10
  append(log, sent(1))
  for (let index = 2; disk.paths().filter((path) => path.endsWith('.log')).length < 2; index += 1) {
    disk.capacityBytes = disk.usedBytes + BATCH_BYTES
    append(log, sent(index))
  }
  const reads: string[] = []
  const restarted = disk.afterKill()
  restarted.hook = ({ kind, path }) => {
    if (kind === 'read') reads.push(path)
    return { kind: 'proceed' }
  }
  expect(open(restarted, { config }).logEndOffset).toBe(5)
  expect(reads).not.toContain(SEGMENT)
})

test('a segment is as old as its first batch, also when its place was made long before', () => {
  const disk = new SimulatedDisk()
  const config: Partial<LogConfig> = { segmentMs: DAY_MS }
  const log = open(disk, { config })
  disk.capacityBytes = disk.usedBytes + 2 * INDEX_SLOT_BYTES
  expect(append(log, sent(0))).toMatchObject({ ok: false })
  settled<void>((done) => log.close(done))
  disk.capacityBytes = Number.POSITIVE_INFINITY
  const nowMs = NOW_MS + 2 * DAY_MS
  for (const index of [0, 1]) {
    const again = open(disk, { config, nowMs })
    append(again, sent(index), { nowMs })
    settled<void>((done) => again.close(done))
  }
  expect(disk.paths().filter((path) => path.endsWith('.log'))).toEqual([SEGMENT])
})

test('a start that has no file left for the index fails, and does not serve what it cannot claim', () => {
  const disk = new SimulatedDisk()
  append(open(disk, { config: CONFIG }), sent(0))
  const index = SEGMENT.replace('.log', '.idx')
  settled<void>((done) => disk.removeFile(index, done))
  const restarted = disk.afterKill()
  restarted.hook = ({ kind, path }) =>
    kind === 'open' && path === index && !restarted.paths().includes(index)
      ? { kind: 'fail', code: 'EMFILE' }
      : { kind: 'proceed' }
  expect(tryOpen(restarted, { config: CONFIG })).toMatchObject({ ok: false })
})

test('an index that was lost is begun anew by one interval, once there is room for it', () => {
  const before = new SimulatedDisk()
  const first = open(before, { config: CONFIG })
  for (const index of [0, 1, 2]) append(first, sent(index))
  const disk = before.afterKill()
  disk.removeFile(SEGMENT.replace('.log', '.idx'), () => {})
  disk.capacityBytes = disk.usedBytes
  const log = open(disk, { config: CONFIG })
  disk.capacityBytes = disk.usedBytes + BATCH_BYTES
  expect(append(log, sent(3))).toMatchObject({ ok: false })
  const placeBytes = 2 * INDEX_SLOT_BYTES
  disk.capacityBytes = disk.usedBytes + BATCH_BYTES + placeBytes
  expect(append(log, sent(3))).toMatchObject({ ok: true, baseOffset: 3 })
  expectNoticed(disk, 4 * BATCH_BYTES)
})
