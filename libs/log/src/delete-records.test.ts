import { describe, expect, test } from 'vitest'
import {
  DIRECTORY,
  NOW_MS,
  append,
  batch,
  lookUp,
  open,
  read,
  settled,
  tryOpen,
} from './testing/log-fixture.ts'
import type { DeletedRecords, PartitionLog } from './index.ts'
import { KEEP_UNSYNCED, LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'

const CONFIG = { segmentBytes: 200 }
/** Clients write no records without a key where a log is compacted. */
const AS_COORDINATOR = { origin: 'coordinator' } as const

function filled(disk: SimulatedDisk, config = {}): PartitionLog {
  const log = open(disk, { config: { ...CONFIG, ...config } })
  for (let count = 0; count < 6; count += 1)
    append(log, batch({ values: ['a', 'b'] }), AS_COORDINATOR)
  return log
}

function deleteRecords(log: PartitionLog, beforeOffset: number): DeletedRecords | undefined {
  let answer: DeletedRecords | undefined
  log.deleteRecords(beforeOffset, (result) => {
    answer = result
  })
  return answer
}

const segments = (disk: SimulatedDisk) => disk.paths().filter((path) => path.endsWith('.log'))

describe('deleting records', () => {
  test('raises the log start, in the middle of a batch too, and removes whole segments', () => {
    const disk = new SimulatedDisk()
    const log = filled(disk)
    const before = segments(disk).length
    expect(deleteRecords(log, 5)).toEqual({ ok: true, logStartOffset: 5 })
    expect(segments(disk).length).toBeLessThan(before)
    expect(read(log, 4)).toMatchObject({ ok: false, errorCode: 'OFFSET_OUT_OF_RANGE' })
    expect(read(log, 5)).toMatchObject({ ok: true })
    const earliest = lookUp((done) => log.offsetForTimestamp(0, done))
    expect(earliest).toMatchObject({ found: { offset: 5 } })
  })

  test('survives the loss of power, and nothing that is left is lost', () => {
    for (const durability of ['group', 'os'] as const) {
      const disk = new SimulatedDisk()
      expect(deleteRecords(filled(disk, { durability }), 7)).toMatchObject({ ok: true })
      for (const choices of [LOSE_UNSYNCED, KEEP_UNSYNCED]) {
        const log = open(disk.survivor(choices), { config: CONFIG })
        expect(log).toMatchObject({ logStartOffset: 7, logEndOffset: 12 })
      }
    }
  })

  test('takes the times of the records with them', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { messageTimestampType: 'LogAppendTime' } })
    // The clock was set back in between.
    for (const nowMs of [NOW_MS, NOW_MS - 1000]) append(log, batch(), { nowMs })
    expect(deleteRecords(log, 1)).toMatchObject({ ok: true })
    const at = (timestampMs: number) => lookUp((done) => log.offsetForTimestamp(timestampMs, done))
    expect(at(NOW_MS - 1000)).toMatchObject({ found: { offset: 1, timestampMs: NOW_MS - 1000 } })
    expect(at(NOW_MS - 999)).toEqual({ ok: true, found: null })
  })

  test('leaves the greatest timestamp of the records that remain', () => {
    const log = open(new SimulatedDisk())
    const greatest = () => lookUp((done) => log.offsetOfMaxTimestamp(done))
    append(log, batch({ timestampsMs: [90] }))
    append(log, batch({ values: ['a', 'b', 'c', 'd'], timestampsMs: [80, 20, 40, 30] }))
    append(log, batch({ timestampsMs: [10] }))
    // A batch that is gone, then one of which the latest record is gone.
    const latest = (beforeOffset: number) => {
      expect(deleteRecords(log, beforeOffset)).toMatchObject({ ok: true })
      return greatest()
    }
    expect(greatest()).toMatchObject({ found: { offset: 0, timestampMs: 90 } })
    expect(latest(1)).toMatchObject({ found: { offset: 1, timestampMs: 80 } })
    expect(latest(2)).toMatchObject({ found: { offset: 3, timestampMs: 40 } })
    expect(latest(4)).toMatchObject({ found: { offset: 4, timestampMs: 30 } })
    expect(latest(5)).toMatchObject({ found: { offset: 5, timestampMs: 10 } })
    expect(latest(6)).toEqual({ ok: true, found: null })
  })

  test('is not taken back by damage to what says where the log starts', () => {
    const disk = new SimulatedDisk()
    // In the first segment: nothing else tells that its first records are deleted.
    const log = filled(disk, { segmentBytes: 10_000 })
    expect(deleteRecords(log, 5)).toMatchObject({ ok: true })
    settled<void>((done) => log.close(done))
    const path = `${DIRECTORY}/log-start-offset-checkpoint`
    const sizeBytes = disk.survivor(LOSE_UNSYNCED).contentOf(path).length
    for (let position = 0; position < sizeBytes; position += 1) {
      const damaged = disk.survivor(LOSE_UNSYNCED)
      const bytes = damaged.contentOf(path)
      bytes[position] = (bytes[position] ?? 0) ^ 1
      expect(tryOpen(damaged)).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
    }
    expect(open(disk)).toMatchObject({ logStartOffset: 5, logEndOffset: 12 })
  })

  test('-1 deletes everything; the active segment goes with the next retention', () => {
    const disk = new SimulatedDisk()
    const log = filled(disk, { cleanupPolicy: ['compact'] })
    expect(deleteRecords(log, -1)).toEqual({ ok: true, logStartOffset: 12 })
    settled<void>((done) => log.enforceRetention(NOW_MS, done))
    expect(log).toMatchObject({ logStartOffset: 12, logEndOffset: 12, sizeBytes: 0 })
    expect(segments(disk)).toEqual([`${DIRECTORY}/00000000000000000012.log`])
    expect(append(log, batch(), AS_COORDINATOR)).toMatchObject({ ok: true, baseOffset: 12 })
  })

  test('below the log start changes nothing, beyond the high watermark is refused', () => {
    const log = filled(new SimulatedDisk())
    deleteRecords(log, 6)
    expect(deleteRecords(log, 3)).toEqual({ ok: true, logStartOffset: 6 })
    for (const beforeOffset of [13, -2]) {
      const refused = deleteRecords(log, beforeOffset)
      expect(refused).toMatchObject({ ok: false, errorCode: 'OFFSET_OUT_OF_RANGE' })
    }
    expect(log.logStartOffset).toBe(6)
  })

  test('what is appended and not durable yet is beyond the high watermark', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk, { config: CONFIG })
    append(log, batch())
    expect(log).toMatchObject({ highWatermark: 0, logEndOffset: 1 })
    expect(deleteRecords(log, 1)).toMatchObject({ ok: false, errorCode: 'OFFSET_OUT_OF_RANGE' })
    disk.drain()
    expect(log).toMatchObject({ highWatermark: 1, logStartOffset: 0 })
  })

  test('a log that failed or was closed refuses', () => {
    const disk = new SimulatedDisk()
    const log = filled(disk)
    disk.hook = ({ kind }) =>
      kind === 'datasync' ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
    expect(deleteRecords(log, 3)).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
    expect(deleteRecords(log, 3)).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })

    const closed = filled(new SimulatedDisk())
    settled<void>((done) => closed.close(done))
    expect(deleteRecords(closed, 3)).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })
  })

  test('a crash before any operation leaves the old log start or the new one', () => {
    let operations = Number.POSITIVE_INFINITY
    for (let crashAt = 0; crashAt < operations; crashAt += 1) {
      const disk = new SimulatedDisk()
      const log = filled(disk)
      let count = 0
      disk.hook = () => {
        count += 1
        return count > crashAt ? { kind: 'crash', keptBytes: 7 } : { kind: 'proceed' }
      }
      const answer = deleteRecords(log, 7)
      if (answer !== undefined) operations = crashAt
      for (const choices of [LOSE_UNSYNCED, KEEP_UNSYNCED]) {
        const reopened = open(disk.survivor(choices), { config: CONFIG })
        expect(reopened.logEndOffset).toBe(12)
        expect(answer === undefined ? [0, 7] : [7]).toContain(reopened.logStartOffset)
      }
    }
    expect(operations).toBeGreaterThan(5)
  })
})
