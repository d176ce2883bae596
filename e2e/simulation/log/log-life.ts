import type { Appended, LogConfig, PartitionLog } from '@fairlead/log'
import type { Kernel, SeededRandom, SimulatedLife } from '@fairlead/simulation'
import { require } from '../finding.ts'
import type { LogModel } from './log-model.ts'
import type { Ending, LogOperation, LogSwarm } from './log-swarm.ts'
import type { SentBatch, SimulatedProducers } from './simulated-producers.ts'

export type LogLifeOptions = {
  readonly log: PartitionLog
  readonly config: LogConfig
  readonly life: SimulatedLife
  readonly model: LogModel
  readonly producers: SimulatedProducers
  readonly swarm: LogSwarm
  readonly random: SeededRandom
  readonly kernel: Kernel
  /** The disk is full, or fails: what needs to write may be refused, to be tried again. */
  readonly isDiskFaulty: () => boolean
}

/** What clients and operators do to a log between its opening and its end, and what they check. */
export class LogLife {
  readonly #options: LogLifeOptions
  readonly #log: PartitionLog
  readonly #model: LogModel
  #config: LogConfig
  #seenHighWatermark = 0
  #wasModeChanged = false
  #takenBackCount = 0
  #isClosed = false
  /** Of the retentions under way: the least `retention.bytes` of those that overlap with it. */
  readonly #retentions = new Set<{ leastBytes: number }>()

  constructor(options: LogLifeOptions) {
    this.#options = options
    this.#log = options.log
    this.#model = options.model
    this.#config = options.config
  }

  get config(): LogConfig {
    return this.#config
  }

  /** L8, after every event: logStart ≤ LSO ≤ HW ≤ LEO, and the first three never go back. */
  requireOrder(): void {
    const { logStartOffset, lastStableOffset, highWatermark, logEndOffset } = this.#log
    require(logStartOffset <= lastStableOffset &&
      lastStableOffset <= highWatermark &&
      highWatermark <= logEndOffset, () =>
      `offsets ${logStartOffset} ${lastStableOffset} ${highWatermark} ${logEndOffset}`)
    require(highWatermark >= this.#seenHighWatermark, () =>
      `the high watermark went back from ${this.#seenHighWatermark} to ${highWatermark}`)
    this.#seenHighWatermark = highWatermark
    if (logStartOffset !== this.#model.logStartOffset) this.#model.startsAt(logStartOffset)
  }

  /** Sends what was in flight when the last life ended, per producer in order. */
  resume(): void {
    for (const sent of this.#options.producers.inFlight()) this.send(sent)
  }

  /** The log is about to be closed: what is under way may be answered that it is. */
  close(): void {
    this.#isClosed = true
  }

  take(operation: Exclude<LogOperation, Ending>): void {
    const { producers, life, swarm } = this.#options
    switch (operation) {
      case 'append': {
        const sent = producers.next(life.wallNowMs(), swarm.valueBytesMax)
        if (sent !== undefined) this.send(sent)
        break
      }
      case 'retry': {
        const sent = producers.repeated(this.#log.logStartOffset)
        if (sent !== undefined) this.send(sent)
        break
      }
      case 'read':
        this.#read()
        break
      case 'lookUp':
        this.#lookUp()
        break
      case 'checkpoint':
        this.#checkpoint()
        break
      case 'retain':
        this.#retain()
        break
      case 'deleteRecords':
        this.#deleteRecords()
        break
      case 'configure':
        this.#configure()
        break
    }
  }

  send(sent: SentBatch): void {
    const { life, producers, kernel } = this.#options
    const bytes = sent.bytes.slice()
    sent.isRefused = false
    const before = this.#log.logEndOffset
    const context = {
      leaderEpoch: this.#leaderEpoch(),
      nowMs: life.wallNowMs(),
      origin: 'client',
    } as const
    this.#log.append(bytes, context, (result) => {
      if (life.hasEnded) return
      if (result.ok) {
        this.#promise(result)
        producers.answered(sent, result, this.#model.durableOffset)
        kernel.note('acked', result.baseOffset)
      } else {
        sent.isRefused = true
        this.#takeBack()
        const isExpected = result.errorCode === 'KAFKA_STORAGE_ERROR'
        require(isExpected, () => `an append was refused: ${result.errorCode} ${result.message}`)
        kernel.note(result.errorCode)
      }
    })
    if (this.#log.logEndOffset === before) return
    const isGone = sent.placed === undefined || sent.placed.nextOffset <= this.#log.logStartOffset
    require(isGone, () => `a batch of ${sent.producerId} is in the log twice`)
    const { timestampsMs } = sent
    sent.placed = this.#model.place({ bytes, timestampsMs }, timestampsMs.length)
    require(sent.placed.baseOffset === before &&
      sent.placed.nextOffset === this.#log.logEndOffset, () =>
      `an append moved the log end from ${before} to ${this.#log.logEndOffset}`)
  }

  /** A log whose disk was full forgets what it had placed and not written. */
  #takeBack(): void {
    const { logEndOffset } = this.#log
    if (logEndOffset >= this.#model.endOffset) return
    this.#takenBackCount += 1
    this.#model.takeBack(logEndOffset)
    this.#options.producers.takenBack(logEndOffset)
  }

  /** The epoch goes up now and then, as it does when a broker starts. */
  #leaderEpoch(): number {
    const { random } = this.#options
    return Math.max(0, this.#log.leaderEpoch + (random.chance(0.02) ? 1 : 0))
  }

  /** A duplicate that was acknowledged in mode os promises no more when the mode has changed. */
  #promise({ lastOffset, duplicate }: Appended): void {
    const isDurable = this.#config.durability === 'group' && !(duplicate && this.#wasModeChanged)
    this.#model.promise(lastOffset + 1, isDurable ? 'power loss' : 'kill')
  }

  #read(): void {
    const { random, life, kernel } = this.#options
    const { logStartOffset, highWatermark } = this.#log
    const fetchOffset = logStartOffset + random.int(highWatermark - logStartOffset + 1)
    const request = { fetchOffset, maxBytes: random.pick([0, 100, 1000, 1_000_000]) }
    this.#log.read(request, (result) => {
      if (life.hasEnded) return
      if (!result.ok) {
        this.#requireMayFail(`a read at ${fetchOffset}`, result)
        return
      }
      kernel.note('read', result.nextOffset, result.sizeBytes)
      const highWatermarkNow = this.#log.highWatermark
      this.#model.requireRead(result, { fetchOffset, highWatermark, highWatermarkNow })
    })
  }

  #lookUp(): void {
    const { random, life, kernel } = this.#options
    const { logStartOffset, highWatermark } = this.#log
    const timestampMs = life.wallNowMs() - random.int(2000)
    const expected = this.#model.earliestAt(timestampMs, { logStartOffset, highWatermark })
    this.#log.offsetForTimestamp(timestampMs, (result) => {
      if (life.hasEnded) return
      if (!result.ok) {
        this.#requireMayFail(`a lookup of ${timestampMs}`, result)
        return
      }
      kernel.note('found', result.found?.offset ?? -1)
      require(result.found?.offset === expected?.offset &&
        result.found?.timestampMs === expected?.timestampMs, () =>
        `time ${timestampMs} is at ${expected?.offset}, found at ${result.found?.offset}`)
    })
  }

  #checkpoint(): void {
    const { life } = this.#options
    const endOffset = this.#log.logEndOffset
    const takenBackCount = this.#takenBackCount
    this.#log.checkpoint(({ ok }) => {
      // What found no space is not in the log any more: there was nothing to make durable.
      if (takenBackCount !== this.#takenBackCount) return
      // A log that failed meanwhile has nothing to write, which is no error of the checkpoint.
      if (life.hasEnded || !ok || this.#log.failure !== undefined) return
      this.#model.promise(endOffset, 'power loss')
      this.#model.checkpointed(endOffset)
    })
  }

  /** Retention by size never leaves less than the least that one of those under way keeps. */
  #retain(): void {
    const { random, life } = this.#options
    const retentionBytes = random.pick([0, 1000, 5000, 50_000])
    const own = { leastBytes: retentionBytes }
    for (const other of this.#retentions) {
      own.leastBytes = Math.min(own.leastBytes, other.leastBytes)
      other.leastBytes = Math.min(other.leastBytes, retentionBytes)
    }
    this.#retentions.add(own)
    this.#log.updateConfig({ ...this.#config, retentionBytes })
    const startOffset = this.#log.logStartOffset
    this.#log.enforceRetention(life.wallNowMs(), () => {
      if (life.hasEnded) return
      this.#retentions.delete(own)
      if (this.#log.logStartOffset === startOffset) return
      const { leastBytes } = own
      const keptBytes = this.#model.bytesBetween(this.#log.logStartOffset, this.#model.endOffset)
      require(keptBytes >= leastBytes, () => `retention of ${leastBytes} bytes left ${keptBytes}`)
    })
    this.#log.removeDeleted({ nowMs: life.wallNowMs(), isFull: retentionBytes === 0 }, () => {})
    this.#log.updateConfig(this.#config)
  }

  /** Records go up to any offset below the high watermark, also inside a batch. */
  #deleteRecords(): void {
    const { random, life, kernel } = this.#options
    const { logStartOffset, highWatermark } = this.#log
    const target = logStartOffset + random.int(highWatermark - logStartOffset + 1)
    // Retention is not alone then.
    const own = { leastBytes: 0 }
    for (const other of this.#retentions) other.leastBytes = 0
    this.#retentions.add(own)
    this.#log.deleteRecords(target, (result) => {
      if (life.hasEnded) return
      this.#retentions.delete(own)
      if (result.ok) {
        kernel.note('deleted', target)
        require(this.#log.logStartOffset >= target, () => `records below ${target} are still there`)
      } else this.#requireMayFail(`a deletion up to ${target}`, result)
    })
  }

  #configure(): void {
    const { random } = this.#options
    this.#config = {
      ...this.#config,
      durability: random.pick(['group', 'os']),
      segmentBytes: random.pick([300, 2000, 20_000]),
      indexIntervalBytes: random.pick([1, 300, 4096]),
    }
    this.#wasModeChanged = true
    this.#log.updateConfig(this.#config)
  }

  #requireMayFail(what: string, result: { readonly errorCode: string; readonly message: string }) {
    const { errorCode, message } = result
    const isExpected =
      errorCode === 'OFFSET_OUT_OF_RANGE' ||
      this.#log.failure !== undefined ||
      (errorCode === 'KAFKA_STORAGE_ERROR' && (this.#isClosed || this.#options.isDiskFaulty()))
    require(isExpected, () => `${what} failed: ${errorCode} ${message}`)
  }
}
