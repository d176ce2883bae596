import { splitBatches } from '@fairlead/protocol'
import { KEEP_UNSYNCED, LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { expect, test } from 'vitest'
import {
  DEFAULT_LOG_CONFIG,
  type DeletedRecords,
  type LogConfig,
  type PartitionLog,
} from './index.ts'
import { DIRECTORY, NOW_MS, append, batch, open, readAll, settled } from './testing/log-fixture.ts'

/**
 * A full file system that copies on write takes no byte, not even one that stands there already. What a
 * sync that failed left in the page cache cannot be made durable then, and no later sync does it.
 */

type Durability = LogConfig['durability']

const sent = (index: number) =>
  batch({ values: [`value ${index}`], producerId: 7, producerEpoch: 0, baseSequence: index })
const countIn = (log: PartitionLog) => splitBatches(readAll(log)).length

/** After a sync that failed for the second of two batches, a kill, and a start on a full disk. */
function startedFull(
  durability: Durability,
  refusing: readonly string[] = ['.log', '.idx'],
): { disk: SimulatedDisk; log: PartitionLog } {
  const config = { durability }
  const before = new SimulatedDisk()
  const log = open(before, { config })
  append(log, sent(0))
  settled<void>((done) => log.checkpoint(done))
  before.hook = ({ kind }) =>
    kind === 'datasync' ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
  append(log, sent(1))
  if (durability !== 'group') settled<void>((done) => log.checkpoint(done))
  expect(log.failure?.code).toBe('EIO')
  const disk = before.afterKill()
  fill(disk, refusing)
  return { disk, log: open(disk, { config }) }
}

/** Files of these kinds take no byte from now on. */
function fill(disk: SimulatedDisk, refusing: readonly string[]): void {
  disk.hook = ({ kind, path }) =>
    kind === 'write' && refusing.includes(path.slice(-4))
      ? { kind: 'fail', code: 'ENOSPC' }
      : { kind: 'proceed' }
}

function makeRoom(disk: SimulatedDisk): void {
  disk.hook = () => ({ kind: 'proceed' })
}

test('what cannot be written again is served, and refuses appends until there is room', () => {
  const { disk, log } = startedFull('group')
  for (const _ of [1, 2]) {
    expect(countIn(log)).toBe(2)
    expect(append(log, sent(2))).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
  }
  expect([log.logEndOffset, log.highWatermark, log.failure]).toEqual([2, 2, undefined])
  makeRoom(disk)
  expect(append(log, sent(2))).toMatchObject({ ok: true, baseOffset: 2 })
  expect(countIn(log)).toBe(3)
})

test('a retry of it is refused while there is no room, and answered as a duplicate afterwards', () => {
  const { disk, log } = startedFull('group')
  expect(append(log, sent(1))).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
  makeRoom(disk)
  expect(append(log, sent(1))).toMatchObject({ ok: true, baseOffset: 1, duplicate: true })
  expect(countIn(open(disk.survivor(LOSE_UNSYNCED)))).toBe(2)
})

test('a retry that comes between its sync and the claim of the index waits for the claim', () => {
  const { disk, log } = startedFull('group')
  let isSynced = false
  let early: ReturnType<typeof append> | 'not sent' = 'not sent'
  disk.hook = ({ kind, path }) => {
    if (kind === 'datasync' && path.endsWith('.log')) isSynced = true
    else if (isSynced && path.endsWith('.idx') && early === 'not sent') early = append(log, sent(1))
    return { kind: 'proceed' }
  }
  expect(append(log, sent(1))).toMatchObject({ ok: true, duplicate: true })
  expect(early).toBeUndefined()
})

test('a retry is answered with what it repeats, not with a newer append that came before it', () => {
  const { disk, log } = startedFull('group')
  const answered: string[] = []
  const send = (name: string, records: Uint8Array) => {
    const context = { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' } as const
    log.append(records, context, ({ ok }) => answered.push(`${name} ${ok}`))
  }
  let isWritten = false
  disk.hook = ({ kind, path }) => {
    if (kind === 'write' && path.endsWith('.log') && !isWritten) {
      isWritten = true
      send('newer', sent(2))
      send('retry', sent(1))
    }
    return { kind: 'proceed' }
  }
  log.flushOverdue(NOW_MS)
  expect(answered).toEqual(['retry true', 'newer true'])
})

test('room for the index alone lets it claim nothing', () => {
  const { disk, log } = startedFull('group', ['.log'])
  expect(append(log, sent(2))).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
  for (const choices of [LOSE_UNSYNCED, KEEP_UNSYNCED]) {
    expect(open(disk.survivor(choices)).logEndOffset).toBe(1)
  }
})

test('what the kernel has forgotten of it meanwhile is neither claimed nor acknowledged', () => {
  const { disk, log } = startedFull('group')
  const content = disk.contentOf(`${DIRECTORY}/00000000000000000000.log`)
  content.fill(0, content.length / 2)
  makeRoom(disk)
  expect(append(log, sent(1))).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
  expect(log.failure?.code).toBe('LOG_CORRUPT')
  const again = open(disk.afterKill())
  expect(again.logEndOffset).toBe(1)
  expect(append(again, sent(1))).toMatchObject({ ok: true, baseOffset: 1, duplicate: false })
})

test('it is tried again once a second, however often the log is looked at', () => {
  const { disk, log } = startedFull('group')
  let attempts = 0
  disk.hook = ({ kind }) => {
    if (kind === 'write') attempts += 1
    return kind === 'write' ? { kind: 'fail', code: 'ENOSPC' } : { kind: 'proceed' }
  }
  for (let passedMs = 0; passedMs < 3_000; passedMs += 50) log.flushOverdue(NOW_MS + passedMs)
  expect(attempts).toBe(3)
})

test('what is written again, and finds no file for its index, is tried again with the next second', () => {
  const { disk, log } = startedFull('group')
  disk.hook = ({ kind }) =>
    kind === 'open' ? { kind: 'fail', code: 'EMFILE' } : { kind: 'proceed' }
  expect(append(log, sent(1))).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
  expect(append(log, sent(2))).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
  log.flushOverdue(NOW_MS)
  expect([log.failure, log.hasUnsureTail]).toEqual([undefined, true])
  makeRoom(disk)
  log.flushOverdue(NOW_MS + 1_000)
  expect(log.hasUnsureTail).toBe(false)
  expect(append(log, sent(1))).toMatchObject({ ok: true, baseOffset: 1, duplicate: true })
  expect(countIn(open(disk.survivor(LOSE_UNSYNCED)))).toBe(2)
})

test('records before it can be deleted, to make room, and those in it once there is some', () => {
  const { disk, log } = startedFull('group')
  const deleteRecords = (beforeOffset: number) => {
    const answers: DeletedRecords[] = []
    log.deleteRecords(beforeOffset, (result) => answers.push(result))
    return answers[0]
  }
  const message = expect.stringContaining('durable')
  expect(deleteRecords(2)).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR', message })
  expect(deleteRecords(1)).toEqual({ ok: true, logStartOffset: 1 })
  const again = open(disk.survivor(LOSE_UNSYNCED))
  expect([again.logStartOffset, again.logEndOffset]).toEqual([1, 1])
  makeRoom(disk)
  expect(deleteRecords(2)).toEqual({ ok: true, logStartOffset: 2 })
  expect(open(disk.survivor(LOSE_UNSYNCED)).logEndOffset).toBe(2)
})

test('a checkpoint says that there is no room', () => {
  const { log } = startedFull('group')
  const answer = settled<void>((done) => log.checkpoint(done))
  expect(answer).toMatchObject({ ok: false, error: { code: 'ENOSPC' } })
})

for (const durability of ['group', 'os'] as const) {
  test(`an index claims it only once it was written again (${durability})`, () => {
    const { disk, log } = startedFull(durability)
    const config = { durability }
    expect(open(disk.survivor(LOSE_UNSYNCED), { config }).logEndOffset).toBe(1)
    makeRoom(disk)
    expect(append(log, sent(2))).toMatchObject({ ok: true })
    settled<void>((done) => log.checkpoint(done))
    for (const choices of [LOSE_UNSYNCED, KEEP_UNSYNCED]) {
      expect(countIn(open(disk.survivor(choices), { config }))).toBe(3)
    }
  })

  test(`nor does a checkpoint, or the next segment (${durability})`, () => {
    const config = { durability }
    let nowMs = NOW_MS
    const steps = {
      checkpoint: (log: PartitionLog) => settled<void>((done) => log.checkpoint(done)),
      overdue: (log: PartitionLog) => log.flushOverdue((nowMs += 1_000)),
      roll: (log: PartitionLog) => {
        log.updateConfig({ ...DEFAULT_LOG_CONFIG, durability, segmentMs: 1 })
        return append(log, sent(2), { nowMs: NOW_MS + 10 })
      },
      close: (log: PartitionLog) => settled<void>((done) => log.close(done)),
    }
    for (const [name, step] of Object.entries(steps)) {
      const { disk, log } = startedFull(durability)
      step(log)
      expect(log.hasUnsureTail).toBe(true)
      expect(open(disk.survivor(LOSE_UNSYNCED), { config }).logEndOffset, name).toBe(1)
      if (name === 'close') continue
      makeRoom(disk)
      step(log)
      expect(countIn(open(disk.survivor(LOSE_UNSYNCED), { config })), name).toBeGreaterThan(1)
    }
  })
}

test('a kill before there is room, and any operation of the append that finds it, change nothing', () => {
  for (let crashAt = 0, isCrashed = true; isCrashed; crashAt += 1) {
    const { disk: before } = startedFull('group')
    const disk = before.afterKill()
    fill(disk, ['.log', '.idx'])
    const log = open(disk)
    let operations = 0
    disk.hook = ({ sizeBytes }) => {
      operations += 1
      return operations > crashAt
        ? { kind: 'crash', keptBytes: sizeBytes >> 1 }
        : { kind: 'proceed' }
    }
    const isAcknowledged = append(log, sent(2))?.ok === true
    isCrashed = disk.hasCrashed
    for (const choices of [LOSE_UNSYNCED, KEEP_UNSYNCED]) {
      const found = countIn(open(disk.survivor(choices)))
      expect(found).toBeGreaterThanOrEqual(isAcknowledged ? 3 : 1)
    }
  }
})
