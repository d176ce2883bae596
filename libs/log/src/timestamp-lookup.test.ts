import { crc32c } from '@fairlead/protocol'
import { LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { describe, expect, test } from 'vitest'
import { type TimestampLookup } from './index.ts'
import { NOW_MS, append, batch, lookUp, open } from './testing/log-fixture.ts'

/** Its batches are ours, and their records are not walked. */
const BY_COORDINATOR = { origin: 'coordinator' } as const

describe('lookup by time', () => {
  const times = (log: ReturnType<typeof open>, timestampMs: number) => {
    const answer = lookUp((done) => log.offsetForTimestamp(timestampMs, done))
    return answer?.ok === true ? (answer.found?.offset ?? null) : answer
  }

  test('finds the earliest record with the timestamp or a later one, inside batches too', () => {
    const log = open(new SimulatedDisk(), { config: { segmentBytes: 200 } })
    append(log, batch({ values: ['a', 'b'], timestampsMs: [10, 30] }))
    append(log, batch({ values: ['c', 'd'], timestampsMs: [20, 40] }))
    append(log, batch({ values: ['e'], timestampsMs: [15] }))
    expect([0, 10, 11, 30, 31, 40, 41].map((at) => times(log, at))).toEqual([
      0,
      0,
      1,
      1,
      3,
      3,
      null,
    ])
  })

  test('answers a batch whose records cannot be read by its first offset', () => {
    const log = open(new SimulatedDisk())
    append(log, batch())
    const garbled = batch({ values: ['abc', 'def'] })
    garbled.fill(0xff, 61)
    new DataView(garbled.buffer).setUint32(17, crc32c(garbled.subarray(21)))
    // As it may stand in a log of old: a client's batch like this is refused today.
    expect(append(log, garbled, BY_COORDINATOR)).toMatchObject({ ok: true, baseOffset: 1 })
    expect(times(log, NOW_MS)).toBe(0)
    const compressed = batch({ timestampsMs: [NOW_MS + 5] })
    compressed[22] = 1
    new DataView(compressed.buffer).setUint32(17, crc32c(compressed.subarray(21)))
    append(log, compressed)
    expect(times(log, NOW_MS + 1)).toBe(3)
    const alone = open(new SimulatedDisk())
    const again = garbled.slice()
    again.fill(0, 0, 8)
    append(alone, again, BY_COORDINATOR)
    expect(times(alone, NOW_MS)).toBe(0)
  })

  test('answers a record that claims an offset behind its batch by the first offset', () => {
    const log = open(new SimulatedDisk())
    const lying = batch({ values: ['abc'] })
    lying[61 + 3] = 0x7e
    new DataView(lying.buffer).setUint32(17, crc32c(lying.subarray(21)))
    append(log, batch({ timestampsMs: [5] }))
    expect(append(log, lying)).toMatchObject({ ok: false, errorCode: 'INVALID_RECORD' })
    expect(append(log, lying, BY_COORDINATOR)).toMatchObject({ ok: true, baseOffset: 1 })
    expect(times(log, 6)).toBe(1)
  })

  test('finds the greatest timestamp of the records that may be read', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk)
    const greatest = () => {
      const answers: TimestampLookup[] = []
      log.offsetOfMaxTimestamp((result) => answers.push(result))
      while (answers.length === 0) disk.complete(disk.queuedCount - 1)
      return answers[0]
    }
    for (const timestampMs of [20, 10]) append(log, batch({ timestampsMs: [timestampMs] }))
    disk.drain()
    append(log, batch({ timestampsMs: [30] }))
    disk.complete(0)
    expect(log).toMatchObject({ highWatermark: 2, logEndOffset: 3 })
    expect(greatest()).toMatchObject({ ok: true, found: { offset: 0, timestampMs: 20 } })
    disk.drain()
    expect(greatest()).toMatchObject({ ok: true, found: { offset: 2, timestampMs: 30 } })
  })

  test('finds a record that is younger than those behind it', () => {
    const disk = new SimulatedDisk()
    const log = open(disk)
    for (const timestampMs of [20, 10]) append(log, batch({ timestampsMs: [timestampMs] }))
    const found = { ok: true, found: { offset: 0, timestampMs: 20 } }
    expect(lookUp((done) => log.offsetForTimestamp(15, done))).toMatchObject(found)
    const reopened = open(disk.survivor(LOSE_UNSYNCED))
    expect(lookUp((done) => reopened.offsetForTimestamp(15, done))).toMatchObject(found)
  })

  test('goes on in no log that has ended, however many batches there are', () => {
    const asked: ((answer: null) => void)[] = []
    const disk = new SimulatedDisk()
    const log = open(disk, { findRecord: (_query, done) => asked.push(done) })
    for (let count = 0; count < 3; count += 1) append(log, batch())
    disk.drain()
    let answer: TimestampLookup | undefined
    log.offsetForTimestamp(0, (result) => {
      answer = result
    })
    disk.drain()
    expect(asked).toHaveLength(1)
    let isClosed = false
    log.close(() => {
      isClosed = true
    })
    disk.drain()
    asked[0]?.(null)
    disk.drain()
    expect(answer).toMatchObject({ ok: false, errorCode: 'KAFKA_STORAGE_ERROR' })
    expect(asked).toHaveLength(1)
    expect(isClosed).toBe(true)
  })

  test('finds the first record with the greatest timestamp', () => {
    const log = open(new SimulatedDisk())
    const greatest = () => lookUp((done) => log.offsetOfMaxTimestamp(done))
    expect(greatest()).toEqual({ ok: true, found: null })
    append(log, batch({ values: ['a', 'b'], timestampsMs: [10, 30] }), { leaderEpoch: 2 })
    append(log, batch({ values: ['c'], timestampsMs: [30] }), { leaderEpoch: 2 })
    expect(greatest()).toEqual({ ok: true, found: { offset: 1, timestampMs: 30, leaderEpoch: 2 } })
  })
})
