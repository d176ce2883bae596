import { deepStrictEqual, ok } from 'node:assert/strict'
import { KEEP_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import fc from 'fast-check'
import { test } from 'vitest'
import type { LogConfig, PartitionLog } from '../index.ts'
import {
  type KeyedRecord,
  type SeenRecord,
  altered,
  batches,
  compact,
  keyed,
  plan,
  records,
} from '../testing/compaction-fixture.ts'
import { NOW_MS, append, open, settled } from '../testing/log-fixture.ts'

/**
 * A compacted log against the list of everything that was ever appended: whatever is compacted when,
 * with whatever room, across crashes, the log is what is left when only obsolete records go.
 */
type Step =
  | {
      readonly kind: 'append'
      readonly records: readonly { readonly key: number; readonly isTombstone: boolean }[]
      readonly producer: number
      readonly isCompressed: boolean
    }
  | { readonly kind: 'compact'; readonly keysMax: number }
  | { readonly kind: 'wait'; readonly durationMs: number }
  | { readonly kind: 'crash'; readonly draw: number }
  | { readonly kind: 'close' }

const RETENTION_MS = 1000
const KEYS = 6
const PRODUCERS = 3
const CONFIG: Partial<LogConfig> = {
  segmentBytes: 400,
  indexIntervalBytes: 120,
  cleanupPolicy: ['compact'],
  deleteRetentionMs: RETENTION_MS,
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      records: fc.array(
        fc.record({
          key: fc.integer({ min: 0, max: KEYS - 1 }),
          isTombstone: fc.boolean(),
        }),
        { minLength: 1, maxLength: 4 },
      ),
      producer: fc.integer({ min: 0, max: PRODUCERS }),
      isCompressed: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('compact' as const),
      keysMax: fc.integer({ min: 1, max: 2 * KEYS }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      durationMs: fc.integer({ min: 0, max: RETENTION_MS }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), draw: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'close' as const }) },
)

const RUNS = Number(process.env['COMPACTION_MODEL_RUNS'] ?? 60)

const TIMEOUT_MS = 5000 + 200 * RUNS

test(
  'a compacted log holds the latest record of every key, and nothing that is obsolete',
  () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const run = new ModelRun()
        for (const next of steps) run.take(next)
        run.finish()
      }),
      { numRuns: RUNS },
    )
  },
  TIMEOUT_MS,
)

type Appended = SeenRecord & {
  readonly producerId: number
  /** Wall clock of the first compaction that could see it; undefined before. */
  cleanedMs: number | undefined
}

class ModelRun {
  readonly #disk = { current: new SimulatedDisk() }
  readonly #appended: Appended[] = []
  readonly #sequences = new Map<number, number>()
  #nowMs = NOW_MS
  #log: PartitionLog = open(this.#disk.current, { config: CONFIG, cacheBytes: 1000 })

  take(next: Step): void {
    switch (next.kind) {
      case 'append':
        this.#append(next)
        break
      case 'compact':
        this.#compact(next.keysMax)
        break
      case 'wait':
        this.#nowMs += next.durationMs
        break
      case 'crash':
        this.#crash(next.draw)
        break
      case 'close':
        ok(settled<void>((done) => this.#log.close(done))?.ok)
        this.#reopen(this.#disk.current)
        break
    }
    this.#requireContent()
  }

  /** Compacted to the end, the log holds nothing below its first dirty offset that is obsolete. */
  finish(): void {
    while ((plan(this.#log)?.plan.cleanableBytes ?? 0) > 0) this.#compact(2 * KEYS)
    const cleanTo = plan(this.#log)?.plan.firstDirtyOffset ?? 0
    const kept = records(this.#log).filter(({ offset }) => offset < cleanTo)
    deepStrictEqual(
      kept.filter(({ offset, key }) => this.#isSuperseded(offset, key, cleanTo)),
      [],
    )
    this.#requireProducers()
  }

  #append(next: Step & { readonly kind: 'append' }): void {
    const isIdempotent = next.producer < PRODUCERS
    const producerId = isIdempotent ? next.producer : -1
    const baseSequence = this.#sequences.get(producerId) ?? 0
    const rows: KeyedRecord[] = next.records.map(({ key, isTombstone }, index) => ({
      key: `key ${key}`,
      value: isTombstone ? null : `value ${this.#appended.length + index}`,
      timestampMs: this.#nowMs - index,
    }))
    const batch = keyed(rows, isIdempotent ? { producerId, producerEpoch: 0, baseSequence } : {})
    const sent = next.isCompressed ? altered(batch, { compression: 'zstd' }) : batch
    const answer = append(this.#log, sent, { nowMs: this.#nowMs })
    ok(answer?.ok && !answer.duplicate)
    if (isIdempotent) this.#sequences.set(producerId, baseSequence + rows.length)
    for (const { key, value, timestampMs = 0 } of rows) {
      const offset = this.#appended.length
      this.#appended.push({ offset, key, value, timestampMs, producerId, cleanedMs: undefined })
    }
    ok(answer.lastOffset === this.#appended.length - 1)
  }

  #compact(keysMax: number): void {
    const room = { mapBytes: 24 * (keysMax + 1), mapLoadFactor: 0.99, nowMs: this.#nowMs }
    const result = compact(this.#disk.current, this.#log, room)
    if (result === undefined) return
    ok(result.ok)
    for (const record of this.#appended.slice(0, result.value.firstDirtyOffset)) {
      record.cleanedMs ??= this.#nowMs
    }
  }

  #crash(draw: number): void {
    const share = (bound: number) => draw % (bound + 1)
    const choices = { keptChanges: share, tornBytes: share, keptEntries: share }
    this.#reopen(this.#disk.current.survivor(choices))
  }

  #reopen(disk: SimulatedDisk): void {
    this.#disk.current = disk
    this.#log = open(disk, { config: CONFIG, cacheBytes: 1000, nowMs: this.#nowMs })
    ok(this.#log.logEndOffset === this.#appended.length)
  }

  #requireContent(): void {
    const kept = records(this.#log)
    const byOffset = new Map(kept.map((record) => [record.offset, record]))
    deepStrictEqual(
      [...byOffset.keys()],
      [...byOffset.keys()].sort((a, b) => a - b),
    )
    for (const { offset, key, value, timestampMs } of kept) {
      const { producerId: _, cleanedMs: __, ...original } = this.#at(offset)
      deepStrictEqual({ offset, key, value, timestampMs }, original)
    }
    for (const record of this.#appended) {
      if (this.#mustStay(record)) ok(byOffset.has(record.offset), `${record.offset} is missing`)
    }
  }

  /** The latest of its key stays, unless it is a tombstone whose time is over. */
  #mustStay({ offset, key, value, cleanedMs }: Appended): boolean {
    if (this.#isSuperseded(offset, key, this.#appended.length)) return cleanedMs === undefined
    const isExpired = cleanedMs !== undefined && this.#nowMs >= cleanedMs + RETENTION_MS
    return value !== null || !isExpired
  }

  #isSuperseded(offset: number, key: string | null, endOffset: number): boolean {
    return this.#appended.slice(offset + 1, endOffset).some((later) => later.key === key)
  }

  /** Read from the batches alone, the state of each producer is that of its last batch. */
  #requireProducers(): void {
    const last = new Map<number, number>()
    for (const { producerId, baseSequence, lastOffsetDelta } of batches(this.#log)) {
      last.set(producerId, baseSequence + lastOffsetDelta + 1)
    }
    const survivor = this.#disk.current.survivor(KEEP_UNSYNCED)
    ok(open(survivor, { config: CONFIG }).logEndOffset === this.#log.logEndOffset)
    for (const [producerId, nextSequence] of this.#sequences) {
      if (producerId >= 0) deepStrictEqual(last.get(producerId), nextSequence)
    }
  }

  #at(offset: number): Appended {
    const record = this.#appended[offset]
    ok(record !== undefined)
    return record
  }
}
