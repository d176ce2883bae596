import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type BatchUse, RowReuse } from './row-reuse.ts'

const BATCH_EVENTS = 2_000

/** A table, and a memory for its rows that is as large as it has to be, as `BatchRows` uses them. */
class Partition {
  readonly reuse = new RowReuse()
  readonly #table = new Set<number>()
  readonly #memory = new Set<number>()
  /** Rows that were written while rows were kept, and those that were not read. */
  keptCount = 0
  hitCount = 0
  rowCount = 0

  apply(accounts: readonly number[]): void {
    const rows = new Set(accounts)
    const hits = [...rows].filter((row) => this.#memory.has(row)).length
    const existing = [...rows].filter((row) => this.#table.has(row))
    const hitCount = 2 * hits >= rows.size ? hits : 0
    if (this.reuse.isKeeping) {
      for (const row of existing) this.#memory.add(row)
      this.keptCount += existing.length
    }
    for (const row of rows) this.#table.add(row)
    this.rowCount += rows.size
    this.hitCount += hitCount
    this.reuse.committed({ rowCount: rows.size, existingCount: existing.length, hitCount })
    if (!this.reuse.isKeeping) this.#memory.clear()
  }
}

function applied(
  accountOf: (position: number) => number,
  { batchCount, partition = new Partition() }: { batchCount: number; partition?: Partition },
): Partition {
  for (let batch = 0; batch < batchCount; batch += 1) {
    const first = batch * BATCH_EVENTS
    partition.apply(Array.from({ length: BATCH_EVENTS }, (_, index) => accountOf(first + index)))
  }
  return partition
}

/** Each account in its turn. */
const uniform = (accountCount: number) => (position: number) => position % accountCount
/** Some events of an account, close to each other, and never again. */
const local = (position: number) => Math.floor(position / 750) * 250 + (position % 250)
/** A few accounts get nearly all events. */
const hot = (position: number) =>
  position % 10 === 0 ? 250 + (((position / 10) * 7_919) % 24_750) : (position * 31) % 250

test('rows that all come again are kept, but for those of the first rounds', () => {
  const partition = applied(uniform(25_000), { batchCount: 125 })
  expect(partition.reuse.isKeeping).toBe(true)
  expect(partition.hitCount).toBeGreaterThan(0.75 * partition.rowCount)
})

test('rows of keys that are local in time are kept for one window', () => {
  const partition = applied(local, { batchCount: 125 })
  expect(partition.reuse.isKeeping).toBe(false)
  expect(partition.keptCount).toBeLessThan(1_000)
})

test('rows of which only some are hot are not kept while many others are new', () => {
  const partition = applied(hot, { batchCount: 60 })
  expect(partition.reuse.isKeeping).toBe(false)
  expect(partition.keptCount).toBeLessThan(1_000)
})

test('rows of the first batches are kept before there is a window to judge by', () => {
  const reuse = new RowReuse()
  for (let batch = 0; batch < 999; batch += 1) {
    reuse.committed({ rowCount: 1, existingCount: 0, hitCount: 0 })
  }
  expect(reuse.isKeeping).toBe(true)
  reuse.committed({ rowCount: 1, existingCount: 0, hitCount: 0 })
  expect(reuse.isKeeping).toBe(false)
})

test('that rows exist already is seen without keeping them, and they are tried again', () => {
  const partition = applied(uniform(10_000), { batchCount: 1 })
  expect(partition.reuse.isKeeping).toBe(false)
  applied(uniform(10_000), { batchCount: 6, partition })
  expect(partition.reuse.isKeeping).toBe(true)
})

const EXISTING: BatchUse = { rowCount: 1_000, existingCount: 1_000, hitCount: 0 }

/** Rows until keeping is what it is to be. */
function rowsUntil(reuse: RowReuse, isKeeping: boolean): number {
  let rows = 0
  while (reuse.isKeeping !== isKeeping) {
    reuse.committed(EXISTING)
    rows += EXISTING.rowCount
  }
  return rows
}

test('a trial in vain ends, and the pauses behind it become longer up to a bound', () => {
  const reuse = new RowReuse()
  const pauses: number[] = []
  for (let trial = 0; trial < 6; trial += 1) {
    expect(rowsUntil(reuse, false)).toBe(50_000)
    pauses.push(rowsUntil(reuse, true))
  }
  expect(pauses).toEqual([400_000, 800_000, 1_600_000, 3_200_000, 3_200_000, 3_200_000])
})

test('a trial with success makes the next pause short again', () => {
  const reuse = new RowReuse()
  rowsUntil(reuse, false)
  rowsUntil(reuse, true)
  reuse.committed({ ...EXISTING, hitCount: 750 })
  // What was proven is tried once more when memory was emptied, or other rows come.
  reuse.committed(EXISTING)
  expect(reuse.isKeeping).toBe(true)
  expect(rowsUntil(reuse, false)).toBe(50_000)
  expect(rowsUntil(reuse, true)).toBe(400_000)
})

test('of rows that are all there, and never come again, few are kept', () => {
  const use = fc.record({
    rowCount: fc.integer({ min: 1, max: 8_000 }),
    // As near to what is enough as can be, too.
    existingShare: fc.oneof(fc.constantFrom(0.8, 1), fc.double({ min: 0, max: 1, noNaN: true })),
  })
  fc.assert(
    fc.property(fc.array(use, { minLength: 1, maxLength: 300 }), (uses) => {
      const reuse = new RowReuse()
      let rows = 0
      let kept = 0
      for (let round = 0; round < 5; round += 1) {
        for (const { rowCount, existingShare } of uses) {
          const existingCount = Math.floor(rowCount * existingShare)
          rows += rowCount
          if (reuse.isKeeping) kept += existingCount
          reuse.committed({ rowCount, existingCount, hitCount: 0 })
        }
      }
      expect(kept).toBeLessThanOrEqual(60_000 + rows / 7)
    }),
  )
})
