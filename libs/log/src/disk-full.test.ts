import { splitBatches } from '@fairlead/protocol'
import { KEEP_UNSYNCED, LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { describe, expect, test } from 'vitest'
import { DiskSpace, type LogConfig, type PartitionLog } from './index.ts'
import { NOW_MS, append, batch, open, readAll, settled } from './testing/log-fixture.ts'

const CONTEXT = { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' } as const
const SEGMENTS: Partial<LogConfig> = { segmentBytes: 260, indexIntervalBytes: 60 }
const NEEDS_SPACE: readonly string[] = ['open', 'write', 'rename', 'makeDirectory', 'syncDirectory']

const sequenced = (baseSequence: number) =>
  batch({ values: [`value ${baseSequence}`], producerId: 7, producerEpoch: 0, baseSequence })

/** From now on whatever needs space finds none, until the returned function is called. */
function fill(disk: SimulatedDisk, code: string, kinds = NEEDS_SPACE): () => void {
  disk.hook = ({ kind }) => (kinds.includes(kind) ? { kind: 'fail', code } : { kind: 'proceed' })
  return () => {
    disk.hook = () => ({ kind: 'proceed' })
  }
}

function produce(log: PartitionLog, from: number, count: number): boolean[] {
  return Array.from(
    { length: count },
    (_, index) => append(log, sequenced(from + index))?.ok === true,
  )
}

describe.for(['ENOSPC', 'EDQUOT'])('a disk that answers %s', (code) => {
  test('refuses appends, serves reads, and goes on by itself where it stopped', () => {
    const disk = new SimulatedDisk()
    const failures: unknown[] = []
    const log = open(disk, { config: SEGMENTS, onFailure: (error) => failures.push(error) })
    expect(produce(log, 0, 4)).toEqual([true, true, true, true])
    const before = readAll(log)
    const empty = fill(disk, code, ['write'])
    expect(append(log, sequenced(4))).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })
    expect(log).toMatchObject({ logEndOffset: 4, highWatermark: 4, failure: undefined })
    expect(readAll(log)).toEqual(before)
    empty()
    expect(append(log, sequenced(4))).toMatchObject({ baseOffset: 4, duplicate: false })
    expect(append(log, sequenced(4))).toMatchObject({ baseOffset: 4, duplicate: true })
    expect(failures).toEqual([])
    expect(open(disk.survivor(LOSE_UNSYNCED), { config: SEGMENTS }).logEndOffset).toBe(5)
  })

  test('takes back the part of a write that found space, and everything that waited behind it', () => {
    const disk = new SimulatedDisk({ completion: 'queued' })
    const log = open(disk)
    append(log, sequenced(0))
    disk.drain()
    const answers: unknown[] = []
    const send = (sequence: number, leaderEpoch: number) =>
      log.append(sequenced(sequence), { ...CONTEXT, leaderEpoch }, (result) => answers.push(result))
    send(1, 0)
    send(2, 3)
    const empty = fill(disk, code, ['write'])
    log.checkpoint(() => {})
    disk.complete(0)
    empty()
    // This one arrives while the torn part is being cut off.
    send(3, 3)
    disk.drain()
    expect(answers).toHaveLength(3)
    const refused = { ok: false, errorCode: 'KAFKA_STORAGE_ERROR' }
    expect(answers).toMatchObject([refused, refused, refused])
    expect([log.logEndOffset, log.leaderEpoch]).toEqual([1, 0])
    answers.splice(0)
    for (const sequence of [1, 2, 3]) send(sequence, 2)
    disk.drain()
    expect(answers).toMatchObject([1, 2, 3].map((baseOffset) => ({ ok: true, baseOffset })))
  })

  test('that has no room for the next segment leaves the one before as it is', () => {
    for (const kind of ['open', 'syncDirectory'] as const) {
      const disk = new SimulatedDisk()
      const log = open(disk, { config: SEGMENTS })
      expect(produce(log, 0, 3)).toEqual([true, true, true])
      const empty = fill(disk, code, [kind])
      expect(produce(log, 3, 3)).toEqual([false, false, false])
      empty()
      expect(produce(log, 3, 3)).toEqual([true, true, true])
      const content = readAll(log)
      for (const choices of [LOSE_UNSYNCED, KEEP_UNSYNCED]) {
        expect(readAll(open(disk.survivor(choices), { config: SEGMENTS }))).toEqual(content)
      }
    }
  })

  test('that has no room for the index of a segment is met before the next one exists', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: SEGMENTS })
    expect(produce(log, 0, 2)).toEqual([true, true])
    disk.hook = ({ kind, path }) =>
      kind === 'datasync' && path.endsWith('.idx') ? { kind: 'fail', code } : { kind: 'proceed' }
    const large = batch({ values: ['x'.repeat(150)] })
    expect(append(log, large)).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })
    disk.hook = () => ({ kind: 'proceed' })
    // A smaller one still has room in the segment that could not end.
    expect(produce(log, 2, 1)).toEqual([true])
    expect(append(log, large)).toMatchObject({ baseOffset: 3 })
    const content = readAll(log)
    for (const choices of [LOSE_UNSYNCED, KEEP_UNSYNCED]) {
      expect(readAll(open(disk.survivor(choices), { config: SEGMENTS }))).toEqual(content)
    }
  })

  test('that began the next segment in vain does not let the one before pass where it begins', () => {
    for (const isKilled of [false, true]) {
      const disk = new SimulatedDisk()
      const log = open(disk, { config: SEGMENTS })
      expect(produce(log, 0, 2)).toEqual([true, true])
      const empty = fill(disk, code, ['syncDirectory'])
      const large = batch({ values: ['x'.repeat(150)] })
      expect(append(log, large)).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })
      empty()
      const next = isKilled ? disk.afterKill() : disk
      const current = isKilled ? open(next, { config: SEGMENTS }) : log
      // It would have room in the first segment, but the name of the second may be on the disk for good.
      expect(produce(current, 2, 1)).toEqual([true])
      const content = readAll(current)
      for (let kept = 0; kept < 8; kept += 1) {
        const keptEntries = (count: number) => Math.min(kept, count)
        const survivor = next.survivor({ ...KEEP_UNSYNCED, keptEntries })
        expect(readAll(open(survivor, { config: SEGMENTS }))).toEqual(content)
      }
    }
  })

  test('and then fails to take back what it wrote in part ends the log', () => {
    const disk = new SimulatedDisk()
    const log = open(disk)
    expect(produce(log, 0, 1)).toEqual([true])
    const content = readAll(log)
    disk.hook = ({ kind }) => {
      if (kind === 'write') return { kind: 'fail', code, keptBytes: 20 }
      return kind === 'truncate' ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
    }
    expect(append(log, sequenced(1))).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })
    disk.hook = () => ({ kind: 'proceed' })
    expect(log.failure?.code).toBe('EIO')
    expect(append(log, sequenced(1))).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })
    expect(readAll(open(disk.survivor(KEEP_UNSYNCED)))).toEqual(content)
  })

  test('at any operation of a life costs nothing that was acknowledged, and no log', () => {
    for (const durability of ['group', 'os'] as const) {
      for (const kinds of [NEEDS_SPACE, ['write']]) {
        for (let filledAt = 0; filledAt < 60; filledAt += 1) {
          const disk = new SimulatedDisk()
          const config = { ...SEGMENTS, durability, retentionBytes: 600 }
          const log = open(disk, { config })
          const acknowledged: number[] = []
          const keep = (sequence: number) => {
            const isKept = append(log, sequenced(sequence))?.ok === true
            if (isKept) acknowledged.push(sequence)
            return isKept
          }
          let count = 0
          disk.hook = ({ kind }) => {
            count += 1
            const isFull = count > filledAt && count < filledAt + 25 && kinds.includes(kind)
            return isFull ? { kind: 'fail', code } : { kind: 'proceed' }
          }
          let sequence = 0
          for (let attempt = 0; attempt < 40 && sequence < 9; attempt += 1) {
            if (attempt % 4 === 3) log.checkpoint(() => {})
            if (keep(sequence)) sequence += 1
          }
          expect(sequence).toBe(9)
          expect(log.failure).toBeUndefined()
          const kept = disk.survivor(durability === 'group' ? LOSE_UNSYNCED : KEEP_UNSYNCED)
          const stored = splitBatches(readAll(open(kept, { config })))
          expect(stored.map(({ baseSequence }) => baseSequence)).toEqual(acknowledged)
        }
      }
    }
  })

  test('lets a log be opened after a crash, without a byte of space', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: SEGMENTS })
    produce(log, 0, 7)
    const content = readAll(log)
    for (const choices of [LOSE_UNSYNCED, KEEP_UNSYNCED]) {
      const survivor = disk.survivor(choices)
      fill(survivor, code, ['write', 'rename', 'makeDirectory'])
      expect(readAll(open(survivor, { config: SEGMENTS }))).toEqual(content)
    }
  })

  test('leaves retention and deletions to be tried again', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...SEGMENTS, retentionBytes: 300 } })
    produce(log, 0, 9)
    const empty = fill(disk, code)
    const retain = () => settled<void>((done) => log.enforceRetention(NOW_MS, done))
    expect(retain()).toMatchObject({ ok: false, error: { code } })
    expect(log).toMatchObject({ logStartOffset: 0, failure: undefined })
    empty()
    expect(retain()).toMatchObject({ ok: true })
    expect(log.logStartOffset).toBeGreaterThan(0)
  })

  test('whose sync finds it full has lost pages: that ends the log', () => {
    const disk = new SimulatedDisk()
    const log = open(disk)
    fill(disk, code, ['datasync'])
    expect(append(log, sequenced(0))).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })
    expect(log.failure?.code).toBe(code)
  })
})

describe.for(['EMFILE', 'ENFILE', 'ENOMEM'])('a process that finds %s', (code) => {
  const CANNOT_OPEN = ['open', 'list', 'syncDirectory']

  test('can begin no segment, serves reads, and goes on by itself where it stopped', () => {
    for (const kinds of [CANNOT_OPEN, ['syncDirectory']]) {
      const disk = new SimulatedDisk()
      const log = open(disk, { config: SEGMENTS })
      expect(produce(log, 0, 3)).toEqual([true, true, true])
      const before = readAll(log)
      const free = fill(disk, code, kinds)
      expect(produce(log, 3, 3)).toEqual([false, false, false])
      expect(readAll(log)).toEqual(before)
      free()
      expect(produce(log, 3, 3)).toEqual([true, true, true])
      expect(log.failure).toBeUndefined()
      expect(readAll(open(disk.survivor(LOSE_UNSYNCED), { config: SEGMENTS }))).toEqual(
        readAll(log),
      )
    }
  })

  test('leaves retention to be tried again, whichever file it could not open', () => {
    for (const kinds of [CANNOT_OPEN, ['list'], ['open'], ['syncDirectory']]) {
      const disk = new SimulatedDisk()
      const log = open(disk, { config: { ...SEGMENTS, retentionBytes: 300 } })
      produce(log, 0, 9)
      const free = fill(disk, code, kinds)
      const retain = () => settled<void>((done) => log.enforceRetention(NOW_MS, done))
      expect(retain()).toMatchObject({ ok: false, error: { code } })
      free()
      expect(retain()).toMatchObject({ ok: true })
      expect(log).toMatchObject({ failure: undefined })
      const [oldest] = splitBatches(readAll(log))
      expect(oldest?.baseOffset).toBe(log.logStartOffset)
      const kept = open(disk.survivor(LOSE_UNSYNCED), { config: SEGMENTS })
      expect(kept.sizeBytes).toBe(log.sizeBytes)
    }
  })
})

describe('the room of a directory', () => {
  test('refuses clients before the reserve, and the broker itself only at an eighth of it', () => {
    const space = new DiskSpace({ reserveBytes: 800 })
    expect(space.admits(1e12, 'client')).toBe(true)
    space.report(1000)
    expect([space.admits(150, 'client'), space.admits(51, 'client')]).toEqual([true, false])
    expect([space.isFull, space.admits(1, 'client')]).toEqual([true, false])
    expect([space.admits(750, 'coordinator'), space.admits(1, 'coordinator')]).toEqual([
      true,
      false,
    ])
    space.report(879)
    expect(space.admits(1, 'client')).toBe(false)
    space.report(881)
    expect([space.isFull, space.admits(1, 'client')]).toEqual([false, true])
  })

  test('lends nothing of its reserve to work that can wait', () => {
    const space = new DiskSpace({ reserveBytes: 800 })
    expect(space.hasRoomFor(1e12)).toBe(true)
    space.report(1000)
    expect([space.hasRoomFor(200), space.hasRoomFor(201)]).toEqual([true, false])
    space.report(799)
    space.report(850)
    // Full until there is a little more than the reserve.
    expect(space.hasRoomFor(1)).toBe(false)
  })

  test('is asked by a log for what it appends, and not for what it has', () => {
    const space = new DiskSpace({ reserveBytes: 1000 })
    const log = open(new SimulatedDisk(), { space })
    expect(append(log, sequenced(0))).toMatchObject({ ok: true })
    space.report(0)
    expect(append(log, sequenced(1))).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })
    expect(append(log, sequenced(0))).toMatchObject({ ok: true, duplicate: true })
    space.report(1e6)
    expect(append(log, sequenced(1))).toMatchObject({ ok: true, baseOffset: 1 })
  })
})
