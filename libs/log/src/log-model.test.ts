import { KEEP_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { DEFAULT_LOG_CONFIG, type LogConfig, type PartitionLog, type ReadResult } from './index.ts'
import { NOW_MS, batch, concat, open, readAll } from './testing/log-fixture.ts'

/**
 * A log on a disk whose completions come in any order, against an array of batches: appends, reads,
 * rolls, checkpoints, retention, crashes and reopening, as they come.
 */
type Step =
  | { readonly kind: 'append'; readonly valueBytes: number; readonly count: number }
  | { readonly kind: 'complete'; readonly draw: number }
  | {
      readonly kind: 'read'
      readonly draw: number
      readonly maxBytes: number
      readonly isHardLimit: boolean
    }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'retain'; readonly retentionBytes: number }
  | { readonly kind: 'close' }
  | { readonly kind: 'crash'; readonly draw: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      valueBytes: fc.integer({ min: 0, max: 200 }),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('complete' as const), draw: fc.nat() }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      draw: fc.nat(),
      maxBytes: fc.integer({ min: 0, max: 600 }),
      isHardLimit: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'checkpoint' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('retain' as const),
      retentionBytes: fc.integer({ min: 0, max: 1000 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'close' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), draw: fc.nat() }) },
)

test('a log equals an array of batches, whatever happens to it', () => {
  const settings = fc.record({
    steps: fc.array(step, { maxLength: 80, size: 'max' }),
    cacheBytes: fc.constantFrom(0, 500, 1e6),
    durability: fc.constantFrom('group' as const, 'os' as const),
  })
  fc.assert(
    fc.property(settings, ({ steps, cacheBytes, durability }) => {
      const run = new ModelRun({ cacheBytes, durability })
      for (const next of steps) run.take(next)
      run.finish()
    }),
    { numRuns: 60 },
  )
})

class ModelRun {
  readonly #config: Partial<LogConfig>
  readonly #cacheBytes: number
  #disk = new SimulatedDisk({ completion: 'queued' })
  #log: PartitionLog
  /** By index: the batches of the log, as they were sent and stamped. */
  #batches: { readonly baseOffset: number; readonly bytes: Uint8Array }[] = []
  #endOffset = 0
  /** Below it, every record was acknowledged as durable. */
  #acknowledgedOffset = 0
  #seenHighWatermark = 0

  constructor(options: { cacheBytes: number; durability: 'group' | 'os' }) {
    this.#cacheBytes = options.cacheBytes
    this.#config = {
      segmentBytes: 700,
      indexIntervalBytes: 150,
      durability: options.durability,
      retentionBytes: 0,
    }
    this.#log = open(this.#disk, { config: this.#config, cacheBytes: this.#cacheBytes })
  }

  take(next: Step): void {
    switch (next.kind) {
      case 'append':
        this.#append(next.valueBytes, next.count)
        break
      case 'complete':
        if (this.#disk.queuedCount > 0) this.#disk.complete(next.draw % this.#disk.queuedCount)
        break
      case 'read':
        this.#read(next.draw, next)
        break
      case 'checkpoint':
        this.#log.checkpoint(() => {})
        break
      case 'retain':
        this.#log.updateConfig({ ...DEFAULT_LOG_CONFIG, ...this.#config, ...next })
        this.#log.enforceRetention(NOW_MS, () => {})
        break
      case 'close':
        this.#close()
        break
      case 'crash':
        this.#crash(next.draw)
        break
    }
    this.#requireInvariants()
  }

  finish(): void {
    this.#disk.drain()
    strictEqual(this.#log.highWatermark, this.#endOffset)
    this.#close()
    this.#requireContent()
  }

  #append(valueBytes: number, count: number): void {
    const values = Array.from({ length: count }, () => 'v'.repeat(valueBytes))
    const bytes = batch({ values })
    const baseOffset = this.#endOffset
    this.#endOffset += count
    this.#batches.push({ baseOffset, bytes })
    const context = { leaderEpoch: 0, nowMs: NOW_MS, origin: 'client' } as const
    this.#log.append(bytes, context, (result) => {
      ok(result.ok && !result.duplicate)
      strictEqual(result.baseOffset, baseOffset)
      strictEqual(result.lastOffset, baseOffset + count - 1)
      strictEqual(this.#acknowledgedOffset, baseOffset)
      this.#acknowledgedOffset = baseOffset + count
    })
  }

  #read(
    draw: number,
    { maxBytes, isHardLimit }: { readonly maxBytes: number; readonly isHardLimit: boolean },
  ): void {
    const { logStartOffset, highWatermark } = this.#log
    const fetchOffset = logStartOffset + (draw % (highWatermark - logStartOffset + 1))
    this.#disk.drain()
    let answer: ReadResult | undefined
    this.#log.read({ fetchOffset, maxBytes, isHardLimit, upTo: highWatermark }, (result) => {
      answer = result
    })
    this.#disk.drain()
    if (fetchOffset < this.#log.logStartOffset) return
    const from = this.#batches.findIndex(
      (sent, index) => this.#nextOffset(index) > fetchOffset && sent.baseOffset < highWatermark,
    )
    ok(answer?.ok)
    const actual = concat(...answer.chunks)
    const first = from < 0 || fetchOffset >= highWatermark ? [] : this.#batches.slice(from)
    const expected = concat(...first.map(({ bytes }) => bytes))
    deepStrictEqual(actual, expected.subarray(0, actual.length))
    const hasRoom = !isHardLimit || (first[0]?.bytes.length ?? 0) <= maxBytes
    strictEqual(actual.length > 0, first.length > 0 && hasRoom)
    if (isHardLimit) ok(actual.length <= maxBytes)
  }

  #close(): void {
    this.#disk.drain()
    strictEqual(isClosed(this.#log, this.#disk), true)
    this.#reopen(this.#disk)
  }

  #crash(draw: number): void {
    const share = (bound: number) => draw % (bound + 1)
    const survivor = this.#disk.survivor({
      keptChanges: share,
      tornBytes: share,
      keptEntries: share,
    })
    const promised = this.#config.durability === 'group' ? this.#acknowledgedOffset : 0
    this.#reopen(survivor)
    ok(this.#log.logEndOffset >= promised)
    ok(this.#log.logEndOffset <= this.#endOffset)
    this.#endOffset = this.#log.logEndOffset
    this.#acknowledgedOffset = this.#endOffset
    this.#batches = this.#batches.filter(({ baseOffset }) => baseOffset < this.#endOffset)
    this.#requireContent()
  }

  #reopen(disk: SimulatedDisk): void {
    this.#disk = disk
    this.#log = open(disk, { config: this.#config, cacheBytes: this.#cacheBytes })
    this.#seenHighWatermark = 0
  }

  #requireContent(): void {
    const kept = this.#batches.filter(
      (_, index) => this.#nextOffset(index) > this.#log.logStartOffset,
    )
    const immediate = open(this.#disk.survivor(KEEP_UNSYNCED, 'immediate'), {
      config: this.#config,
    })
    deepStrictEqual(readAll(immediate), concat(...kept.map(({ bytes }) => bytes)))
  }

  #nextOffset(index: number): number {
    return this.#batches[index + 1]?.baseOffset ?? this.#endOffset
  }

  #requireInvariants(): void {
    const { logStartOffset, highWatermark, logEndOffset } = this.#log
    ok(logStartOffset <= highWatermark)
    ok(highWatermark <= logEndOffset)
    ok(highWatermark >= this.#seenHighWatermark)
    strictEqual(logEndOffset, this.#endOffset)
    this.#seenHighWatermark = highWatermark
  }
}

function isClosed(log: PartitionLog, disk: SimulatedDisk): boolean {
  let closed = false
  log.close(({ ok }) => {
    closed = ok
  })
  disk.drain()
  return closed
}
