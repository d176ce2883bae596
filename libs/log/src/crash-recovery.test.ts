import {
  type CrashChoices,
  KEEP_UNSYNCED,
  LOSE_UNSYNCED,
  SimulatedDisk,
  type SimulatedOperation,
} from '@fairlead/simulation'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LogConfig, PartitionLog } from './index.ts'
import { BATCHES_MAX } from './producer-state.ts'
import {
  DIRECTORY,
  NOW_MS,
  append,
  batch,
  concat,
  open,
  readAll,
  settled,
  tryOpen,
} from './testing/log-fixture.ts'

const CONFIG: Partial<LogConfig> = { segmentBytes: 260, indexIntervalBytes: 60 }
/** Nothing of a torn write is as likely as any part of it. */
const TEAR_IN_HALF: CrashChoices = {
  keptChanges: () => 0,
  tornBytes: (sizeBytes) => sizeBytes >> 1,
  keptEntries: (count) => count,
}
/** A sync of a directory saves the names in it, and not its own. */
const LOSE_DIRECTORIES: CrashChoices = { ...KEEP_UNSYNCED, losesUnsyncedDirectories: true }
const CHOICES: readonly CrashChoices[] = [
  LOSE_UNSYNCED,
  KEEP_UNSYNCED,
  TEAR_IN_HALF,
  LOSE_DIRECTORIES,
]

type History = {
  /** Every batch that was given to the log, in order, as stored. */
  readonly sent: Uint8Array[]
  /** How many of them were answered as durable. */
  acknowledgedCount: number
}

/** A small life of a log: appends over several segments, checkpoints, retention untouched. */
function live(disk: SimulatedDisk, durability: LogConfig['durability'] = 'group'): History {
  const history: History = { sent: [], acknowledgedCount: 0 }
  const opened = tryOpen(disk, { config: { ...CONFIG, durability } })
  if (opened?.ok !== true) return history
  const log = opened.value
  for (let index = 0; index < 9; index += 1) {
    if (index === 4) log.checkpoint(() => {})
    const records = batch({
      values: index % 3 === 0 ? ['a', 'b'] : [`value ${index}`],
      producerId: 7,
      producerEpoch: 0,
      baseSequence: sequenceAt(index),
    })
    const context = { leaderEpoch: index >> 2, nowMs: NOW_MS, origin: 'client' } as const
    log.append(records, context, ({ ok }) => {
      // In mode os an answer promises nothing about a crash of the machine.
      if (ok && durability === 'group') history.acknowledgedCount += 1
    })
    history.sent.push(records)
  }
  if (!disk.hasCrashed) log.close(() => {})
  return history
}

function sequenceAt(index: number): number {
  return index + Math.ceil(index / 3)
}

/** Every acknowledged batch is there, nothing that was not sent, and recovering again changes nothing. */
function requireRecovered(disk: SimulatedDisk, history: History): PartitionLog {
  const log = open(disk, { config: CONFIG })
  const content = readAll(log)
  const everything = concat(...history.sent)
  const acknowledged = concat(...history.sent.slice(0, history.acknowledgedCount))
  expect(content.length).toBeGreaterThanOrEqual(acknowledged.length)
  expect(content).toEqual(everything.subarray(0, content.length))

  const again = open(disk.survivor(LOSE_UNSYNCED), { config: CONFIG })
  expect(readAll(again)).toEqual(content)
  expect(again.leaderEpoch).toBe(log.leaderEpoch)
  return log
}

/** Runs the life with a crash before operation `crashAt`, of which `keptBytes` are written. */
function liveUntil(
  crashAt: number,
  keptBytes: number,
  durability: LogConfig['durability'] = 'group',
) {
  const disk = diskOfLogs()
  let count = 0
  let last: SimulatedOperation | undefined
  disk.hook = (operation) => {
    last = operation
    count += 1
    return count > crashAt ? { kind: 'crash', keptBytes } : { kind: 'proceed' }
  }
  const history = live(disk, durability)
  return { disk, history, last }
}

/** `log.dirs` is older than its logs. */
function diskOfLogs(): SimulatedDisk {
  const disk = new SimulatedDisk()
  disk.makeDirectory(DIRECTORY.slice(0, DIRECTORY.lastIndexOf('/')), () => {})
  disk.syncDirectory('', () => {})
  return disk
}

function countOperations(run: (disk: SimulatedDisk) => void, disk = diskOfLogs()): number {
  let count = 0
  disk.hook = () => {
    count += 1
    return { kind: 'proceed' }
  }
  run(disk)
  return count
}

describe('a crash', () => {
  const total = countOperations((disk) => live(disk))

  test('the life that is cut short has several segments and many operations', () => {
    const { disk, history } = liveUntil(Number.POSITIVE_INFINITY, 0)
    expect(history.acknowledgedCount).toBe(9)
    expect(disk.paths().filter((path) => path.endsWith('.log')).length).toBeGreaterThan(2)
    expect(total).toBeGreaterThan(60)
  })

  test('before any operation loses nothing that was acknowledged', () => {
    for (let crashAt = 0; crashAt < total; crashAt += 1) {
      for (const choices of CHOICES) {
        const { disk, history } = liveUntil(crashAt, 0)
        requireRecovered(disk.survivor(choices), history)
      }
    }
  })

  test('of a machine leaves a prefix of what a log in mode os was given', () => {
    const operationCount = countOperations((disk) => live(disk, 'os'))
    for (let crashAt = 0; crashAt < operationCount; crashAt += 1) {
      for (const choices of CHOICES) {
        const { disk, history } = liveUntil(crashAt, 0, 'os')
        requireRecovered(disk.survivor(choices), history)
      }
    }
  })

  test('of the process loses nothing in mode os, and what is served after it is durable', () => {
    const disk = new SimulatedDisk()
    const log = open(disk, { config: { ...CONFIG, durability: 'os' } })
    for (const value of ['a', 'b', 'c']) append(log, batch({ values: [value] }))
    // The page cache outlives the process: the next one opens the same disk.
    const served = readAll(open(disk, { config: CONFIG }))
    expect(served).toEqual(readAll(log))
    expect(readAll(open(disk.survivor(LOSE_UNSYNCED), { config: CONFIG }))).toEqual(served)
  })

  test('at any byte of any write loses nothing that was acknowledged', () => {
    for (let crashAt = 0; crashAt < total; crashAt += 1) {
      const { last } = liveUntil(crashAt, 0)
      if (last?.kind !== 'write') continue
      for (let keptBytes = 1; keptBytes <= last.sizeBytes; keptBytes += 1) {
        const { disk, history } = liveUntil(crashAt, keptBytes)
        requireRecovered(disk.survivor(KEEP_UNSYNCED), history)
      }
    }
  })

  test('during the recovery of a torn log changes nothing in the end', () => {
    for (let crashAt = 0; crashAt < total; crashAt += 1) {
      const { disk, history } = liveUntil(crashAt, 40)
      const torn = disk.survivor(KEEP_UNSYNCED)
      const steps = countOperations(
        (copy) => tryOpen(copy, { config: CONFIG }),
        torn.survivor(KEEP_UNSYNCED),
      )
      for (let step = 0; step < steps; step += 1) {
        const recovering = torn.survivor(KEEP_UNSYNCED)
        let count = 0
        recovering.hook = () => {
          count += 1
          return count > step ? { kind: 'crash', keptBytes: 0 } : { kind: 'proceed' }
        }
        tryOpen(recovering, { config: CONFIG })
        requireRecovered(recovering.survivor(step % 2 ? LOSE_UNSYNCED : KEEP_UNSYNCED), history)
      }
    }
  })

  test('is survived by the producers: a retry is a duplicate exactly when its batch is there', () => {
    for (let crashAt = 0; crashAt < total; crashAt += 1) {
      const { disk, history } = liveUntil(crashAt, 0)
      const log = requireRecovered(disk.survivor(TEAR_IN_HALF), history)
      const end = log.logEndOffset
      const storedCount = history.sent.filter((_, index) => sequenceAt(index) < end).length
      for (const [index, records] of history.sent.entries()) {
        const retry = records.slice()
        retry.fill(0, 0, 8)
        const baseOffset = sequenceAt(index)
        const isStored = baseOffset < end
        const isRemembered = index >= storedCount - BATCHES_MAX
        expect(append(log, retry, { leaderEpoch: 9 })).toMatchObject(
          isStored && !isRemembered
            ? { ok: false, errorCode: 'OUT_OF_ORDER_SEQUENCE_NUMBER' }
            : { ok: true, baseOffset, duplicate: isStored },
        )
      }
    }
  })
})

describe('corruption', () => {
  const closed = () => {
    const disk = new SimulatedDisk()
    return { history: live(disk), disk }
  }
  const logPaths = (disk: SimulatedDisk) => disk.paths().filter((path) => path.endsWith('.log'))

  test('below the recovery point is reported and never cut, whichever byte it hits', () => {
    const { disk } = closed()
    for (const path of logPaths(disk)) {
      const sizeBytes = disk.survivor(KEEP_UNSYNCED).contentOf(path).length
      for (let position = 0; position < sizeBytes; position += 1) {
        const damaged = disk.survivor(KEEP_UNSYNCED)
        const content = damaged.contentOf(path)
        content[position] = (content[position] ?? 0) ^ 0x40
        // Without indexes everything is read again.
        for (const index of damaged.paths().filter((name) => name.endsWith('.idx'))) {
          damaged.contentOf(index).fill(0)
        }
        const opened = tryOpen(damaged, { config: CONFIG })
        expect(opened).toMatchObject({ ok: false, error: { code: 'LOG_CORRUPT' } })
        expect(damaged.contentOf(path)).toHaveLength(sizeBytes)
        expect(damaged.openFileCount).toBe(0)
      }
    }
  })

  test('of a batch is found by its checksum even where the index vouches for it at opening', () => {
    const { disk } = closed()
    const [path = ''] = logPaths(disk)
    const content = disk.contentOf(path)
    content[content.length - 1] = (content.at(-1) ?? 0) ^ 1
    for (const index of disk.paths().filter((name) => name.endsWith('.idx'))) {
      disk.contentOf(index).fill(0)
    }
    expect(tryOpen(disk, { config: CONFIG })).toMatchObject({ error: { code: 'LOG_CORRUPT' } })
  })

  test('of what an index covers is reported, also when nothing else says that it was durable', () => {
    const { disk } = closed()
    const path = logPaths(disk).at(-1) ?? ''
    for (const name of disk.paths()) {
      if (name.endsWith('.snap') || name.endsWith('-checkpoint')) disk.removeFile(name, () => {})
    }
    const content = disk.contentOf(path)
    content[content.length - 1] = (content.at(-1) ?? 0) ^ 1
    expect(tryOpen(disk, { config: CONFIG })).toMatchObject({ error: { code: 'LOG_CORRUPT' } })
    expect(disk.contentOf(path)).toHaveLength(content.length)
  })

  test.for(['first', 'middle', 'last'] as const)('a missing %s segment is reported', (which) => {
    const { disk } = closed()
    const paths = logPaths(disk)
    const at = { first: 0, middle: 1, last: paths.length - 1 }[which]
    settled<void>((done) => disk.removeFile(paths[at] ?? '', done))
    expect(tryOpen(disk, { config: CONFIG })).toMatchObject({ error: { code: 'LOG_CORRUPT' } })
  })

  test('a segment cut below the recovery point is reported', () => {
    const { disk } = closed()
    const path = logPaths(disk).at(-1) ?? ''
    disk.open(path, 'existing', (file) => file.ok && file.value.truncate(10, () => {}))
    expect(tryOpen(disk, { config: CONFIG })).toMatchObject({ error: { code: 'LOG_CORRUPT' } })
  })
})

describe('files beside the segments', () => {
  const REBUILT = ['.idx', '.snap', 'leader-epoch-checkpoint']

  test.for(REBUILT)('%s never changes results: gone, or damaged at any byte', (suffix) => {
    const original = new SimulatedDisk()
    const history = live(original)
    const content = concat(...history.sent)
    const paths = original.paths().filter((path) => path.endsWith(suffix))
    expect(paths.length).toBeGreaterThan(0)
    const requireSame = (disk: SimulatedDisk) => {
      const log = open(disk, { config: CONFIG })
      expect(readAll(log, 1)).toEqual(content)
      expect(log.leaderEpoch).toBe(2)
      const retry = (history.sent[6] ?? new Uint8Array()).slice()
      retry.fill(0, 0, 8)
      const answer = append(log, retry, { leaderEpoch: 9 })
      expect(answer).toMatchObject({ baseOffset: sequenceAt(6), duplicate: true })
    }
    for (const path of paths) {
      const without = original.survivor(KEEP_UNSYNCED)
      settled<void>((done) => without.removeFile(path, done))
      requireSame(without)
      const sizeBytes = original.survivor(KEEP_UNSYNCED).contentOf(path).length
      for (let position = 0; position < sizeBytes; position += 1) {
        const damaged = original.survivor(KEEP_UNSYNCED)
        const bytes = damaged.contentOf(path)
        bytes[position] = (bytes[position] ?? 0) ^ 1
        requireSame(damaged)
      }
    }
  })

  test('the state of producers is the same from a snapshot and from the log alone', () => {
    const step = fc.record({
      producerId: fc.integer({ min: 1, max: 3 }),
      count: fc.integer({ min: 1, max: 3 }),
      bumpsEpoch: fc.boolean(),
      checkpoints: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const disk = new SimulatedDisk()
        const log = open(disk, { config: CONFIG })
        const sent: Uint8Array[] = []
        const next = new Map<number, { epoch: number; sequence: number }>()
        for (const { producerId, count, bumpsEpoch, checkpoints } of steps) {
          const known = next.get(producerId) ?? { epoch: 0, sequence: 0 }
          const used = bumpsEpoch ? { epoch: known.epoch + 1, sequence: 0 } : known
          const records = batch({
            values: Array.from({ length: count }, () => 'v'),
            producerId,
            producerEpoch: used.epoch,
            baseSequence: used.sequence,
          })
          sent.push(records.slice())
          expect(append(log, records)).toMatchObject({ ok: true })
          next.set(producerId, { epoch: used.epoch, sequence: used.sequence + count })
          if (checkpoints) settled<void>((done) => log.checkpoint(done))
        }
        const answers = (isWithout: boolean) => {
          const copy = disk.survivor(LOSE_UNSYNCED)
          for (const path of copy.paths()) {
            if (isWithout && path.endsWith('.snap')) copy.removeFile(path, () => {})
          }
          const reopened = open(copy, { config: CONFIG })
          return sent.map((records) => append(reopened, records.slice()))
        }
        expect(answers(true)).toEqual(answers(false))
      }),
      { numRuns: 40 },
    )
  })

  test('an index of an earlier segment of this name says nothing of the one that begins', () => {
    const disk = new SimulatedDisk()
    const earlier = open(disk, { config: CONFIG })
    for (const value of ['x', 'y', 'z']) append(earlier, batch({ values: [value] }))
    for (const path of disk.paths()) if (!path.endsWith('.idx')) disk.removeFile(path, () => {})
    const log = open(disk, { config: CONFIG })
    append(log, batch({ values: ['another'] }))
    const content = readAll(log)
    expect(readAll(open(disk.survivor(KEEP_UNSYNCED), { config: CONFIG }))).toEqual(content)
  })

  test('leftovers of an interrupted replacement are removed', () => {
    const disk = new SimulatedDisk()
    live(disk)
    const leftover = `${DIRECTORY}/recovery-point-checkpoint.tmp`
    disk.open(leftover, 'create', () => {})
    open(disk, { config: CONFIG })
    expect(disk.paths()).not.toContain(leftover)
  })
})
