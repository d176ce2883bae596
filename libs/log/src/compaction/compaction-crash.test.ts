import {
  type CrashChoices,
  KEEP_UNSYNCED,
  LOSE_UNSYNCED,
  SimulatedDisk,
  type SimulatedOperation,
} from '@fairlead/simulation'
import { describe, expect, test } from 'vitest'
import type { LogConfig } from '../index.ts'
import { compact, keyed, plan, shown } from '../testing/compaction-fixture.ts'
import { append, open, tryOpen } from '../testing/log-fixture.ts'

/** Two or three records fill a segment; every compaction merges some. */
const CONFIG: Partial<LogConfig> = {
  segmentBytes: 230,
  indexIntervalBytes: 60,
  cleanupPolicy: ['compact'],
}
const TEAR_IN_HALF: CrashChoices = {
  keptChanges: () => 0,
  tornBytes: (sizeBytes) => sizeBytes >> 1,
  keptEntries: (count) => count >> 1,
}
const CHOICES: readonly CrashChoices[] = [LOSE_UNSYNCED, KEEP_UNSYNCED, TEAR_IN_HALF]
const KEYS = ['a', 'b', 'c', 'a', 'a', 'd', 'b', 'a', 'e', 'c', 'c', 'a', 'f', 'b', 'a', 'g']

function dirtyDisk(): SimulatedDisk {
  const disk = new SimulatedDisk()
  const log = open(disk, { config: CONFIG })
  for (const [index, key] of KEYS.entries()) {
    append(log, keyed([{ key, value: String(index) }]))
    // A first compaction, so that the one that crashes finds compacted segments, too.
    if (index === 9) compact(disk, log)
  }
  log.close(() => {})
  return disk
}

const ALL = KEYS.map((key, index) => `${key}=${index}@${index}`)
const COMPACTED = compactedContent()

function compactedContent(): string[] {
  const disk = dirtyDisk()
  const log = open(disk, { config: CONFIG })
  compact(disk, log)
  return shown(log)
}

/** Nothing is there that was not written, and everything is there that a compaction must keep. */
function requireUnharmed(disk: SimulatedDisk): void {
  const log = open(disk, { config: CONFIG })
  const content = shown(log)
  expect(ALL).toEqual(expect.arrayContaining(content))
  expect(content).toEqual(expect.arrayContaining(COMPACTED))
  expect(content).toEqual([...content].sort(byOffset))
  expect(disk.paths().filter((path) => /cleaned|swap|deleted/.test(path))).toEqual([])
  expect(shown(open(disk.survivor(LOSE_UNSYNCED), { config: CONFIG }))).toEqual(content)
  if (plan(log)?.plan.cleanableBytes !== 0) compact(disk, log)
  expect(shown(log)).toEqual(COMPACTED)
}

function byOffset(left: string, right: string): number {
  return Number(left.split('@')[1]) - Number(right.split('@')[1])
}

/** Between two changes a crash finds the same disk. */
const LOOKS: readonly SimulatedOperation['kind'][] = ['open', 'size', 'read', 'list']

function changesOf(operations: readonly SimulatedOperation[]): number[] {
  return operations.flatMap(({ kind }, at) => (LOOKS.includes(kind) ? [] : at))
}

function crashAfter(disk: SimulatedDisk, count: number, keptBytes: number): void {
  let left = count
  disk.hook = () => {
    left -= 1
    return left < 0 ? { kind: 'crash', keptBytes } : { kind: 'proceed' }
  }
}

function operationsOf(
  run: (disk: SimulatedDisk) => void,
  disk = dirtyDisk(),
): SimulatedOperation[] {
  const operations: SimulatedOperation[] = []
  disk.hook = (operation) => {
    operations.push(operation)
    return { kind: 'proceed' }
  }
  run(disk)
  return operations
}

/** Only what happens after the log was opened is told to the hook. */
function compactDirty(disk: SimulatedDisk): void {
  const { hook } = disk
  disk.hook = () => ({ kind: 'proceed' })
  const log = open(disk, { config: CONFIG })
  disk.hook = hook
  compact(disk, log)
}

function compactUntil(crashAt: number, keptBytes: number): SimulatedDisk {
  const disk = dirtyDisk()
  crashAfter(disk, crashAt, keptBytes)
  compactDirty(disk)
  return disk
}

/** A few seconds on a quiet machine. */
const TIMEOUT_MS = 60_000

describe('a crash', { timeout: TIMEOUT_MS }, () => {
  const total = operationsOf(compactDirty).length

  test('the compaction that is cut short replaces several segments in many steps', () => {
    expect(total).toBeGreaterThan(80)
    expect(COMPACTED.length).toBeLessThan(ALL.length - 5)
    expect(COMPACTED).not.toEqual([])
  })

  test('before any step of a compaction leaves the log before it or after it', () => {
    for (const crashAt of changesOf(operationsOf(compactDirty))) {
      for (const choices of CHOICES) {
        requireUnharmed(compactUntil(crashAt, 0).survivor(choices))
      }
    }
  })

  test('in the middle of any write of a compaction leaves the log unharmed', () => {
    const writes = operationsOf(compactDirty).flatMap(({ kind }, at) =>
      kind === 'write' ? at : [],
    )
    expect(writes.length).toBeGreaterThan(10)
    for (const crashAt of writes) {
      for (const keptBytes of [1, 61, 70]) {
        requireUnharmed(compactUntil(crashAt, keptBytes).survivor(KEEP_UNSYNCED))
      }
    }
  })

  test('while a crash is recovered from leaves the log unharmed', () => {
    const seen = new Set<string>()
    for (let crashAt = 0; crashAt < total; crashAt += 1) {
      const crashed = compactUntil(crashAt, 0)
      const files = crashed.paths().join()
      // Recovery is told by the names: between two of their changes it does the same.
      if (seen.has(files)) continue
      seen.add(files)
      const opening = crashed.survivor(KEEP_UNSYNCED)
      const steps = operationsOf(() => tryOpen(opening, { config: CONFIG }), opening)
      for (const step of changesOf(steps)) {
        const disk = crashed.survivor(KEEP_UNSYNCED)
        crashAfter(disk, step, 0)
        tryOpen(disk, { config: CONFIG })
        for (const choices of CHOICES) requireUnharmed(disk.survivor(choices))
      }
    }
  })
})

test('a compaction whose every step fails in turn harms nothing', () => {
  const total = operationsOf(compactDirty).length
  for (let failAt = 0; failAt < total; failAt += 1) {
    const disk = dirtyDisk()
    let left = failAt
    disk.hook = () => {
      left -= 1
      return left === -1 ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
    }
    compactDirty(disk)
    requireUnharmed(disk.survivor(KEEP_UNSYNCED))
  }
})
