import {
  type CrashChoices,
  KEEP_UNSYNCED,
  LOSE_UNSYNCED,
  SimulatedDisk,
  type SimulatedOperation,
} from '@fairlead/simulation'
import { describe, expect, test } from 'vitest'
import type { LogConfig, PartitionLog } from './index.ts'
import { DIRECTORY, NOW_MS, append, batch, open, readAll, tryOpen } from './testing/log-fixture.ts'

/** A crash anywhere in retention or DeleteRecords, and in the recovery after it. */

const BATCH_COUNT = 6
const END_OFFSET = 2 * BATCH_COUNT
/** Two batches fill a segment. */
const CONFIG: Partial<LogConfig> = { segmentBytes: 200, indexIntervalBytes: 60 }
const TEAR_IN_HALF: CrashChoices = {
  keptChanges: () => 0,
  tornBytes: (sizeBytes) => sizeBytes >> 1,
  keptEntries: (count) => count >> 1,
}
const CHOICES: readonly CrashChoices[] = [LOSE_UNSYNCED, KEEP_UNSYNCED, TEAR_IN_HALF]

/** Calls back with whether it was done. */
type Step = (log: PartitionLog, done: (ok: boolean) => void) => void

type Removal = {
  readonly name: string
  readonly config: Partial<LogConfig>
  readonly steps: readonly Step[]
  /** The log start before, and after each of the steps. */
  readonly starts: readonly number[]
}

const retain: Step = (log, done) => log.enforceRetention(NOW_MS, ({ ok }) => done(ok))
const deleteTo =
  (offset: number): Step =>
  (log, done) =>
    log.deleteRecords(offset, ({ ok }) => done(ok))

/** The files of the segments that are gone, whose time is over. */
const sweep: Step = (log, done) =>
  log.removeDeleted({ nowMs: 0, isFull: true }, ({ ok }) => done(ok && log.deletedFileCount === 0))

const REMOVALS: readonly Removal[] = [
  {
    name: 'retention by time',
    config: { retentionMs: 3_500 },
    steps: [retain, sweep],
    starts: [0, 4, 4],
  },
  {
    name: 'retention by time of everything, which begins a segment',
    config: { retentionMs: 0 },
    steps: [retain, sweep],
    starts: [0, END_OFFSET, END_OFFSET],
  },
  {
    name: 'retention by size',
    config: { retentionBytes: 200 },
    steps: [retain, sweep],
    starts: [0, 4, 4],
  },
  {
    name: 'retention by size of everything, which begins a segment',
    config: { retentionBytes: 0 },
    steps: [retain, sweep],
    starts: [0, END_OFFSET, END_OFFSET],
  },
  {
    name: 'DeleteRecords, twice, into the middle of batches',
    config: { retentionMs: -1 },
    steps: [deleteTo(5), deleteTo(9), sweep],
    starts: [0, 5, 9, 9],
  },
  {
    name: 'DeleteRecords of everything, then retention, which begins a segment',
    config: { retentionMs: -1 },
    steps: [deleteTo(-1), retain, sweep],
    starts: [0, END_OFFSET, END_OFFSET, END_OFFSET],
  },
  {
    name: 'DeleteRecords in mode os, which makes durable what is left',
    config: { retentionMs: -1, durability: 'os' },
    steps: [deleteTo(7), sweep],
    starts: [0, 7, 7],
  },
]

/** One batch a second, the last of them now. */
function sentBatch(index: number): Uint8Array {
  const timestampMs = NOW_MS - 1_000 * (BATCH_COUNT - index)
  return batch({
    values: ['a', `b${index}`],
    timestampsMs: [timestampMs, timestampMs],
    producerId: 7,
    producerEpoch: 0,
    baseSequence: 2 * index,
  })
}

function filled(disk: SimulatedDisk, { config }: Removal): PartitionLog {
  const log = open(disk, { config: { ...CONFIG, ...config } })
  for (let index = 0; index < BATCH_COUNT; index += 1) append(log, sentBatch(index))
  return log
}

/** What is stored of the batches that end behind `offset`. */
function storedFrom(offset: number): Uint8Array {
  const log = filled(new SimulatedDisk(), { name: '', config: {}, steps: [], starts: [] })
  const all = readAll(log)
  const batchBytes = all.length / BATCH_COUNT
  return all.subarray(Math.floor(offset / 2) * batchBytes)
}

const STORED = Array.from({ length: END_OFFSET + 1 }, (_, offset) => storedFrom(offset))

/** Runs the steps until one is not done; how many were. */
function remove(log: PartitionLog, { steps }: Removal): number {
  let doneCount = 0
  for (const [index, step] of steps.entries()) {
    step(log, (ok) => {
      if (ok) doneCount += 1
    })
    if (doneCount !== index + 1) break
  }
  return doneCount
}

type Crashed = { readonly disk: SimulatedDisk; readonly doneCount: number }

/** A crash before operation `crashAt` of the removal, of which `keptBytes` are written. */
function removeUntil(removal: Removal, crashAt: number, keptBytes: number): Crashed {
  const disk = new SimulatedDisk()
  const log = filled(disk, removal)
  crashAfter(disk, crashAt, keptBytes)
  return { disk, doneCount: remove(log, removal) }
}

function crashAfter(disk: SimulatedDisk, count: number, keptBytes: number): void {
  let left = count
  disk.hook = () => {
    left -= 1
    return left < 0 ? { kind: 'crash', keptBytes } : { kind: 'proceed' }
  }
}

function operationsOf(disk: SimulatedDisk, run: () => void): readonly SimulatedOperation[] {
  const operations: SimulatedOperation[] = []
  disk.hook = (operation) => {
    operations.push(operation)
    return { kind: 'proceed' }
  }
  run()
  return operations
}

function removalOperations(removal: Removal): readonly SimulatedOperation[] {
  const disk = new SimulatedDisk()
  const log = filled(disk, removal)
  return operationsOf(disk, () => remove(log, removal))
}

/** Between two changes a crash finds the same disk. */
const LOOKS: readonly SimulatedOperation['kind'][] = ['open', 'size', 'read', 'list']

/** Each change of a run, without a byte of it and, for a write, with any number of them. */
function crashPoints(operations: readonly SimulatedOperation[]): readonly (readonly number[])[] {
  return operations.flatMap((operation, crashAt) => {
    if (LOOKS.includes(operation.kind)) return []
    const sizeBytes = operation.kind === 'write' ? operation.sizeBytes : 0
    return Array.from({ length: sizeBytes + 1 }, (_, keptBytes) => [crashAt, keptBytes])
  })
}

/** Different crashes leave the same files: each state is looked at once. */
class SeenStates {
  readonly #seen = new Set<string>()

  isNew(disk: SimulatedDisk, doneCount: number): boolean {
    const files = disk.paths().filter((path) => path.startsWith(`${DIRECTORY}/`))
    const contents = files.map((path) => `${path}: ${disk.contentOf(path).join(' ')}`)
    const state = [doneCount, ...contents].join('\n')
    const isNew = !this.#seen.has(state)
    this.#seen.add(state)
    return isNew
  }
}

const baseOffsets = (disk: SimulatedDisk, suffix: string) =>
  disk
    .paths()
    .filter((path) => path.endsWith(suffix))
    .map((path) => Number(path.slice(DIRECTORY.length + 1, -suffix.length)))

/**
 * The removal is done or not, step by step; nothing else is missing, nothing that was removed is left,
 * producers are remembered, and it can be done again.
 */
function requireBeforeOrAfter(survivor: SimulatedDisk, removal: Removal, doneCount: number): void {
  const config = { ...CONFIG, ...removal.config }
  const log = open(survivor, { config })
  const { logStartOffset, logEndOffset } = log
  const reachable = removal.starts.slice(doneCount, doneCount + 2)
  expect(reachable).toContain(logStartOffset)
  // In mode os the end is durable once something was deleted.
  const mayLoseEnd = config.durability === 'os' && logStartOffset === 0
  expect(logEndOffset).toBeGreaterThanOrEqual(mayLoseEnd ? 0 : END_OFFSET)
  const content = readAll(log)
  const expected = STORED[logStartOffset] ?? new Uint8Array()
  const lostBytes = (STORED[logEndOffset] ?? new Uint8Array()).length
  expect(content).toEqual(expected.subarray(0, expected.length - lostBytes))
  const bases = baseOffsets(survivor, '.log')
  expect(bases.filter((base) => base <= logStartOffset)).toHaveLength(1)
  const indexes = baseOffsets(survivor, '.idx')
  expect(bases).toEqual(expect.arrayContaining(indexes))
  expect(survivor.paths().filter((path) => /\.(tmp|deleted)$/.test(path))).toEqual([])

  const again = open(survivor.survivor(LOSE_UNSYNCED), { config })
  expect(again).toMatchObject({ logStartOffset, logEndOffset })
  expect(readAll(again)).toEqual(content)
  for (let index = logEndOffset / 2; index < BATCH_COUNT; index += 1) append(log, sentBatch(index))
  expect(append(log, sentBatch(BATCH_COUNT - 1))).toMatchObject({ duplicate: true })
  expect(remove(log, removal)).toBe(removal.steps.length)
  expect(log).toMatchObject({ logStartOffset: removal.starts.at(-1), logEndOffset: END_OFFSET })
}

describe.for(REMOVALS)('a crash in $name', (removal) => {
  const operations = removalOperations(removal)

  test('can happen at many points, and the whole does what it should', () => {
    const { disk, doneCount } = removeUntil(removal, Number.POSITIVE_INFINITY, 0)
    expect(doneCount).toBe(removal.steps.length)
    const kinds = new Set(operations.map(({ kind }) => kind))
    expect([...kinds]).toEqual(expect.arrayContaining(['write', 'rename', 'removeFile']))
    for (const choices of CHOICES) {
      requireBeforeOrAfter(disk.survivor(choices), removal, doneCount)
    }
  })

  test('before any change, and at any byte of a write, leaves the log before or after', () => {
    for (const [crashAt = 0, keptBytes = 0] of crashPoints(operations)) {
      const { disk, doneCount } = removeUntil(removal, crashAt, keptBytes)
      for (const choices of keptBytes === 0 ? CHOICES : [KEEP_UNSYNCED]) {
        requireBeforeOrAfter(disk.survivor(choices), removal, doneCount)
      }
    }
  })

  test('and in the recovery after it, at any change and byte, changes nothing in the end', () => {
    const config = { ...CONFIG, ...removal.config }
    const [crashed, recovered] = [new SeenStates(), new SeenStates()]
    for (const [crashAt, { kind }] of operations.entries()) {
      if (LOOKS.includes(kind)) continue
      const { disk, doneCount } = removeUntil(removal, crashAt, 7)
      for (const choices of CHOICES) {
        const torn = disk.survivor(choices)
        if (!crashed.isNew(torn, doneCount)) continue
        const copy = torn.survivor(KEEP_UNSYNCED)
        const steps = operationsOf(copy, () => tryOpen(copy, { config }))
        for (const [step = 0, keptBytes = 0] of crashPoints(steps)) {
          const recovering = torn.survivor(KEEP_UNSYNCED)
          crashAfter(recovering, step, keptBytes)
          tryOpen(recovering, { config })
          const survivor = recovering.survivor(step % 2 ? LOSE_UNSYNCED : KEEP_UNSYNCED)
          if (!recovered.isNew(survivor, doneCount)) continue
          requireBeforeOrAfter(survivor, removal, doneCount)
        }
      }
    }
  })
})
