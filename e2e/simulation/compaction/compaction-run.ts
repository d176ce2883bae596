import { BufferPool } from '@fairlead/base'
import {
  type CompactionJob,
  DEFAULT_LOG_CONFIG,
  type DiskResult,
  IndexCache,
  type LogConfig,
  type PartitionLog,
  type PlannedCompaction,
  TailCache,
  compactLog,
  openPartitionLog,
  runTask,
} from '@fairlead/log'
import { crc32c, encodeBatch } from '@fairlead/protocol'
import {
  type Kernel,
  type SeededRandom,
  SimulatedDisk,
  type SimulatedLife,
  randomCrash,
} from '@fairlead/simulation'
import { recordsOf } from '../broker/log-store.ts'
import { require } from '../finding.ts'
import { delayed, failOnce, lieAboutSyncs } from '../log/disk-faults.ts'
import { SMALL_BUFFERS } from '../small-buffers.ts'
import { CompactedModel, type KeyedRecord, type SeenRecord } from './compacted-model.ts'

export type CompactionRunOptions = {
  readonly kernel: Kernel
  readonly operationCount: number
  readonly hasCanary: boolean
}

const DIRECTORY = '/logs/accounts-0'
const PATIENCE_MS = 600_000
const NO_CODEC = (): never => {
  throw new Error('nothing is compressed here')
}

type Operation = 'append' | 'read' | 'compact' | 'checkpoint' | 'crash'

/**
 * A compacted log over many lives: appends, reads and compactions at the same time on a slow disk that
 * fails, ended by kills and power losses, each followed by a recovery. Whatever happens, the latest
 * record of every key is there, and what is there stands in its place.
 */
export class CompactionRun {
  readonly #kernel: Kernel
  readonly #options: CompactionRunOptions
  readonly #random: SeededRandom
  readonly #model = new CompactedModel()
  readonly #config: LogConfig
  readonly #keyCount: number
  readonly #diskDelayMaxMs: number
  readonly #intervalMaxMs: number
  readonly #weights: Readonly<Record<Operation, number>>
  readonly #diskFailureChance: number
  readonly #counts = { lives: 0, compactions: 0, interruptedCompactions: 0 }
  #disk = new SimulatedDisk()
  #life: SimulatedLife
  #isCompacting = false
  #operations = 0

  constructor(options: CompactionRunOptions) {
    const random = options.kernel.random
    this.#kernel = options.kernel
    this.#options = options
    this.#random = random
    this.#life = options.kernel.life()
    this.#keyCount = random.pick([2, 10, 60])
    this.#diskDelayMaxMs = random.pick([0.1, 1, 5])
    this.#intervalMaxMs = random.pick([2, 20, 200])
    this.#diskFailureChance = random.pick([0, 0, 0.3])
    this.#weights = {
      append: 100,
      read: random.pick([0, 30]),
      compact: random.pick([2, 10]),
      checkpoint: random.pick([0, 2]),
      crash: random.pick([0.3, 1, 4]),
    }
    this.#config = {
      ...DEFAULT_LOG_CONFIG,
      cleanupPolicy: ['compact'],
      retentionMs: -1,
      segmentBytes: random.pick([300, 1500]),
      indexIntervalBytes: random.pick([1, 200]),
      deleteRetentionMs: Number.MAX_SAFE_INTEGER / 1e3,
    }
  }

  /** @throws {Finding} or whatever the log throws. */
  run() {
    while (this.#operations < this.#options.operationCount) this.#liveOnce()
    this.#open()
    return { operations: this.#operations, ...this.#counts }
  }

  #liveOnce(): void {
    this.#counts.lives += 1
    const log = this.#open()
    if (this.#random.chance(this.#diskFailureChance)) {
      failOnce(this.#disk, this.#random, { withinOperations: 300, code: 'EIO' })
    }
    let isOver = false
    const next = (): void => {
      this.#operations += 1
      const operation = log.failure === undefined ? this.#draw() : 'crash'
      this.#take(operation, log)
      isOver = operation === 'crash' || this.#operations >= this.#options.operationCount
      if (!isOver) this.#life.after(this.#random.int(this.#intervalMaxMs), next, operation)
    }
    this.#life.after(0, next)
    this.#kernel.runUntil(() => isOver, { untilMs: Number.MAX_SAFE_INTEGER })
    this.#crash()
  }

  #take(operation: Operation, log: PartitionLog): void {
    switch (operation) {
      case 'append':
        this.#append(log)
        break
      case 'read':
        this.#readSomewhere(log)
        break
      case 'compact':
        this.#compact(log)
        break
      case 'checkpoint':
        log.checkpoint(() => {})
        break
      case 'crash':
        break
    }
  }

  #append(log: PartitionLog): void {
    const rows = Array.from({ length: this.#random.between(1, 3) }, (): KeyedRecord => {
      const isTombstone = this.#random.chance(0.1)
      const value = isTombstone ? null : `value ${this.#random.int(1e6)}`
      return { key: `key ${this.#random.int(this.#keyCount)}`, value }
    })
    const nowMs = this.#life.wallNowMs()
    const encoder = new TextEncoder()
    const records = rows.map(({ key, value }) => ({
      key: encoder.encode(key),
      value: value === null ? null : encoder.encode(value),
      headers: [],
      timestampMs: nowMs,
    }))
    const context = { leaderEpoch: 0, nowMs, origin: 'client' } as const
    const before = log.logEndOffset
    const life = this.#life
    log.append(encodeBatch({ records }, crc32c), context, (result) => {
      if (life.hasEnded) return
      if (result.ok) this.#model.promise(result.lastOffset + 1)
      // A log whose disk was full forgets what it had placed and not written.
      else this.#model.takeBack(log.logEndOffset)
    })
    if (log.logEndOffset > before) this.#model.give(rows)
  }

  #readSomewhere(log: PartitionLog): void {
    const fetchOffset = this.#random.int(log.highWatermark + 1)
    const { highWatermark } = log
    const life = this.#life
    log.read({ fetchOffset, maxBytes: this.#random.pick([0, 500]) }, (result) => {
      if (life.hasEnded) return
      require(result.ok || log.failure !== undefined, () => `a read at ${fetchOffset} failed`)
      if (!result.ok) return
      for (const record of seenIn(result.chunks)) this.#model.requireGiven(record)
      const isForward = result.nextOffset > fetchOffset || fetchOffset >= highWatermark
      require(isForward, () => `a read at ${fetchOffset} does not go on`)
    })
  }

  // Compaction, as the broker's shell does it

  #compact(log: PartitionLog): void {
    if (this.#isCompacting) return
    const life = this.#life
    this.#isCompacting = true
    const done = (): void => {
      this.#isCompacting = false
    }
    log.planCompaction(life.wallNowMs(), (planned) => {
      if (life.hasEnded) return
      if (!planned.ok || planned.value.plan.cleanableBytes === 0) done()
      else this.#runJob(log, planned.value, done)
    })
  }

  #runJob(log: PartitionLog, planned: PlannedCompaction, done: () => void): void {
    const life = this.#life
    const job: CompactionJob = log.compactionJob(planned, {
      nowMs: life.wallNowMs(),
      mapBytes: 24 * this.#random.pick([4, 100]),
      mapLoadFactor: 0.9,
      bufferBytes: this.#random.pick([200, 10_000]),
    })
    const ports = {
      disk: this.#disk,
      crc32c,
      codecs: { compress: NO_CODEC, decompress: NO_CODEC },
      onSegment: (range: { baseOffset: number; endOffset: number }, swapped: Swapped): void =>
        log.replaceSegments(range, job.nowMs, (result) =>
          swapped(result.ok ? { ok: true, value: undefined } : result),
        ),
    }
    runTask(compactLog(job, ports), (result) => {
      if (life.hasEnded) return
      if (!result.ok) {
        const isExpected = /^(EIO|ENOSPC)$/.test(result.error.code) || log.failure !== undefined
        require(isExpected, () => `compaction failed: ${result.error.message}`)
        done()
        return
      }
      this.#counts.compactions += 1
      this.#kernel.note('compacted', result.value.firstDirtyOffset)
      log.endCompaction(result.value.firstDirtyOffset, done)
    })
  }

  // One life after the other

  #open(): PartitionLog {
    this.#life = this.#kernel.life()
    this.#isCompacting = false
    const completion = delayed(this.#life, this.#random, this.#diskDelayMaxMs)
    this.#disk = this.#disk.afterKill(completion)
    if (this.#options.hasCanary) lieAboutSyncs(this.#disk)
    let opened: DiskResult<PartitionLog> | undefined
    const buffers = new BufferPool(SMALL_BUFFERS)
    openPartitionLog(
      {
        disk: this.#disk,
        directory: DIRECTORY,
        config: this.#config,
        crc32c,
        buffers,
        tailCache: new TailCache({ budgetBytes: 1000, buffers }),
        indexCache: new IndexCache({ budgetBytes: 1000 }),
        nowMs: this.#life.wallNowMs(),
        onFailure: () => {},
      },
      (result) => {
        opened = result
      },
    )
    this.#await(() => opened !== undefined, 'a log opens in time')
    const log = valueOf(opened)
    this.#model.recovered(log.logEndOffset)
    this.#model.requireWhole(this.#readAll(log))
    return log
  }

  #readAll(log: PartitionLog): readonly SeenRecord[] {
    const seen: SeenRecord[] = []
    let nextOffset: number = log.logStartOffset
    while (nextOffset < log.highWatermark) {
      const fetchOffset = nextOffset
      log.read({ fetchOffset, maxBytes: 10_000 }, (result) => {
        require(result.ok, () => `a read at ${fetchOffset} failed after recovery`)
        seen.push(...seenIn(result.chunks))
        nextOffset = result.nextOffset
      })
      this.#await(() => nextOffset > fetchOffset, 'a log is read in time')
    }
    return seen
  }

  #crash(): void {
    if (this.#isCompacting) this.#counts.interruptedCompactions += 1
    const how = this.#random.pick(['kill', 'powerLoss'])
    this.#kernel.note(how)
    this.#life.end()
    this.#disk.crash()
    if (how === 'powerLoss') this.#disk = this.#disk.survivor(randomCrash(this.#random))
  }

  #await(isDone: () => boolean, fact: string): void {
    const untilMs = this.#kernel.nowMs + PATIENCE_MS
    require(this.#kernel.runUntil(isDone, { untilMs }), () => fact)
  }

  #draw(): Operation {
    const weights = Object.entries(this.#weights) as [Operation, number][]
    const total = weights.reduce((sum, [, weight]) => sum + weight, 0)
    let left = (this.#random.uint32() / 0x1_0000_0000) * total
    for (const [operation, weight] of weights) {
      left -= weight
      if (left < 0) return operation
    }
    return 'append'
  }
}

type Swapped = (result: DiskResult<void>) => void

function valueOf(opened: DiskResult<PartitionLog> | undefined): PartitionLog {
  require(opened !== undefined, () => 'the log was opened')
  if (!opened.ok) throw opened.error
  return opened.value
}

function* seenIn(chunks: readonly Uint8Array[]): Iterable<SeenRecord> {
  const decoder = new TextDecoder()
  for (const chunk of chunks) {
    for (const { offset, key, value } of recordsOf(chunk)) {
      const text = value === null ? null : decoder.decode(value)
      yield { offset, key: decoder.decode(key ?? undefined), value: text }
    }
  }
}
