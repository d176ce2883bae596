import { BufferPool } from '@fairlead/base'
import {
  type DiskResult,
  IndexCache,
  type LogConfig,
  type PartitionLog,
  TailCache,
  openPartitionLog,
} from '@fairlead/log'
import { crc32c } from '@fairlead/protocol'
import {
  type Kernel,
  type SeededRandom,
  SimulatedDisk,
  type SimulatedLife,
  randomCrash,
} from '@fairlead/simulation'
import { require } from '../finding.ts'
import { requireDamageIsNoticed } from './damaged-log.ts'
import { delayed, failOnce, lieAboutSyncs, refuseWrites } from './disk-faults.ts'
import { LogLife } from './log-life.ts'
import { LogModel } from './log-model.ts'
import { type Ending, type LogOperation, type LogSwarm, drawLogSwarm } from './log-swarm.ts'
import { SimulatedProducers } from './simulated-producers.ts'
import { SMALL_BUFFERS } from '../small-buffers.ts'

export type LogRunOptions = {
  readonly kernel: Kernel
  /** Operations of clients and operators in all. */
  readonly operationCount: number
  /** Seeds the bug that a simulation must find: syncs that are answered and not done. */
  readonly hasCanary?: boolean
}

export type LogReport = {
  readonly operations: number
  readonly lives: number
  readonly kills: number
  readonly powerLosses: number
  readonly interruptedRecoveries: number
  readonly diskFailures: number
  readonly bitFlips: number
}

const DIRECTORY = '/logs/orders-0'
/** In simulated time: nothing that a log does takes as long. */
const PATIENCE_MS = 600_000
const OPERATION_INTERVAL_MAX_MS = 4
/** Operations of the disk, before the one that fails. */
const FAILS_WITHIN = 300
/** How long a disk that is full at the start stays so, at most. */
const FULL_MS_MAX = 200

/**
 * The log of one partition over many lives: idempotent producers, readers and operators on a disk
 * with delays and faults, ended by kills, power losses, failures of the disk and clean stops. Each
 * life begins with a recovery, which may be cut short itself. A model knows what was promised.
 */
export class LogRun {
  readonly #kernel: Kernel
  readonly #options: LogRunOptions
  readonly #random: SeededRandom
  readonly #swarm: LogSwarm
  readonly #model = new LogModel()
  readonly #producers: SimulatedProducers
  readonly #counts = {
    lives: 0,
    kills: 0,
    powerLosses: 0,
    interruptedRecoveries: 0,
    diskFailures: 0,
    bitFlips: 0,
  }
  #config: LogConfig
  #disk = new SimulatedDisk()
  #life: SimulatedLife
  #isPowerLost = false
  /** Power was lost, and no start since then had room to say again what is durable. */
  #isIndexBehind = false
  #isDiskFaulty = false
  /** Of a disk that is full since the start of this life. */
  #makeRoom: (() => void) | undefined
  #isSettling = false
  #operations = 0

  constructor(options: LogRunOptions) {
    this.#options = options
    this.#kernel = options.kernel
    this.#random = options.kernel.random
    this.#swarm = drawLogSwarm(this.#random)
    this.#config = this.#swarm.config
    this.#producers = new SimulatedProducers(this.#random.fork(), this.#swarm.producerCount)
    this.#life = options.kernel.life()
  }

  /** @throws {Finding} or whatever the log throws. */
  run(): LogReport {
    while (this.#operations < this.#options.operationCount) this.#liveOnce()
    this.#settle()
    return { operations: this.#operations, ...this.#counts }
  }

  #liveOnce(): void {
    const log = this.#open()
    const opened = this.#begin(log)
    this.#chooseFaults()
    opened.resume()
    let ending: Ending | undefined
    const next = (): void => {
      this.#operations += 1
      const operation = log.failure === undefined ? this.#draw() : this.#drawEnding()
      if (operation === 'close' || operation === 'kill' || operation === 'powerLoss') {
        ending = operation
        return
      }
      opened.take(operation)
      this.#life.after(this.#random.int(OPERATION_INTERVAL_MAX_MS), next, operation)
    }
    this.#life.after(0, next)
    const isOver = (): boolean =>
      ending !== undefined || this.#operations >= this.#options.operationCount
    this.#kernel.runUntil(isOver, { untilMs: Number.MAX_SAFE_INTEGER })
    this.#config = opened.config
    if (log.failure !== undefined) this.#counts.diskFailures += 1
    if (ending === 'close') this.#close(log, opened)
    this.#crash(ending === 'powerLoss' ? 'powerLoss' : 'kill')
  }

  /** No more faults: everything is acknowledged, and the whole log is what was sent. */
  #settle(): void {
    this.#disk.capacityBytes = Number.POSITIVE_INFINITY
    this.#isDiskFaulty = false
    this.#isSettling = true
    const log = this.#open()
    const opened = this.#begin(log)
    opened.resume()
    const isSettled = (): boolean => {
      const waiting = this.#producers.waiting()
      if (waiting !== undefined) opened.send(waiting)
      return this.#producers.inFlight().length === 0
    }
    require(this.#kernel.runUntil(isSettled, this.#deadline()), () => 'every append is answered')
    this.#close(log, opened)
    this.#crash('powerLoss')
    this.#requireContent(this.#open())
  }

  #begin(log: PartitionLog): LogLife {
    const opened = new LogLife({
      log,
      config: this.#config,
      life: this.#life,
      model: this.#model,
      producers: this.#producers,
      swarm: this.#swarm,
      random: this.#random,
      kernel: this.#kernel,
      isDiskFaulty: () => this.#isDiskFaulty,
    })
    this.#kernel.afterEach = () => opened.requireOrder()
    return opened
  }

  // Opening

  #open(): PartitionLog {
    for (;;) {
      this.#counts.lives += 1
      if (this.#random.chance(this.#swarm.bitFlipChance)) this.#damage()
      const opened = this.#recover(this.#random.chance(this.#swarm.nestedCrashChance))
      if (opened === undefined) continue
      if (!opened.ok) throw opened.error
      this.#opened(opened.value)
      return opened.value
    }
  }

  /** Undefined when power was lost or the process killed meanwhile. */
  #recover(isInterrupted: boolean): DiskResult<PartitionLog> | undefined {
    this.#life = this.#kernel.life()
    this.#disk = this.#reborn(this.#disk)
    let opened: DiskResult<PartitionLog> | undefined
    let isCutShort = false
    this.#openLog((result) => {
      opened = result
    })
    if (isInterrupted) {
      const delayMs = this.#random.int(30) * this.#swarm.diskDelayMaxMs
      this.#life.after(delayMs, () => {
        isCutShort = true
      })
    }
    const isDone = (): boolean => opened !== undefined || isCutShort
    require(this.#kernel.runUntil(isDone, this.#deadline()), () => 'a log opens in time')
    if (opened !== undefined) return opened
    this.#counts.interruptedRecoveries += 1
    this.#crash(this.#random.pick(['kill', 'powerLoss']))
    return undefined
  }

  #openLog(done: (result: DiskResult<PartitionLog>) => void): void {
    const buffers = new BufferPool(SMALL_BUFFERS)
    openPartitionLog(
      {
        disk: this.#disk,
        buffers,
        directory: DIRECTORY,
        config: this.#config,
        crc32c,
        tailCache: new TailCache({ budgetBytes: this.#swarm.cacheBytes, buffers }),
        indexCache: new IndexCache({ budgetBytes: this.#swarm.cacheBytes }),
        nowMs: this.#life.wallNowMs(),
        onFailure: () => {},
      },
      done,
    )
  }

  #opened(log: PartitionLog): void {
    const promisedOffset = this.#isPowerLost ? this.#model.durableOffset : this.#model.keptOffset
    const hadRoom = this.#makeRoom === undefined
    this.#isPowerLost = false
    if (hadRoom) this.#isIndexBehind = false
    this.#model.recovered(log.logEndOffset, { promisedOffset, hadRoom })
    this.#producers.recovered(log.logEndOffset)
    require(log.logStartOffset >= this.#model.logStartOffset, () =>
      `the log start went back to ${log.logStartOffset}`)
    this.#model.startsAt(log.logStartOffset)
    this.#kernel.note('opened', log.logStartOffset, log.logEndOffset)
    this.#requireContent(log)
  }

  /** Everything from start to end, as the model has it. */
  #requireContent(log: PartitionLog): void {
    let nextOffset: number = log.logStartOffset
    let isReading = false
    const readOn = (): boolean => {
      while (!isReading && nextOffset < log.highWatermark) {
        isReading = true
        const request = { fetchOffset: nextOffset, maxBytes: 1_000_000 }
        log.read(request, (result) => {
          isReading = false
          require(result.ok, () => `a read at ${nextOffset} failed after recovery`)
          const { highWatermark } = log
          const marks = { highWatermark, highWatermarkNow: highWatermark }
          this.#model.requireRead(result, { ...request, ...marks })
          nextOffset = result.nextOffset
        })
      }
      return nextOffset >= log.highWatermark
    }
    require(this.#kernel.runUntil(readOn, this.#deadline()), () => 'the log is read in time')
    require(log.highWatermark === log.logEndOffset, () => 'recovery serves everything it keeps')
  }

  // Ending

  #close(log: PartitionLog, opened: LogLife): void {
    opened.close()
    const endOffset = log.logEndOffset
    let closed: DiskResult<void> | undefined
    log.close((result) => {
      closed = result
    })
    const isClosed = (): boolean => closed !== undefined
    require(this.#kernel.runUntil(isClosed, this.#deadline()), () => 'a log closes in time')
    if (closed?.ok === true && log.failure === undefined && !log.hasUnsureTail) {
      require(this.#disk.openFileCount === 0, () => 'a closed log has no open files')
      // What found no space meanwhile was taken back, and nothing was made durable then.
      if (this.#model.endOffset !== endOffset) return
      this.#model.promise(endOffset, 'power loss')
      this.#model.checkpointed(endOffset)
    }
  }

  #crash(how: 'kill' | 'powerLoss'): void {
    this.#kernel.note(how)
    this.#life.end()
    this.#kernel.afterEach = () => {}
    if (how === 'kill' || !this.#swarm.losesPower) {
      this.#counts.kills += 1
      this.#disk = this.#disk.afterKill()
    } else {
      this.#counts.powerLosses += 1
      this.#isPowerLost = true
      this.#isIndexBehind = true
      this.#disk.crash()
      this.#disk = this.#disk.survivor(randomCrash(this.#random))
    }
  }

  /** The same disk, whose operations take time in the life that begins. */
  #reborn(disk: SimulatedDisk): SimulatedDisk {
    const { diskDelayMaxMs } = this.#swarm
    const reborn = disk.afterKill(delayed(this.#life, this.#random, diskDelayMaxMs))
    const isFull = !this.#isSettling && this.#random.chance(this.#swarm.fullStartChance)
    this.#makeRoom = undefined
    if (this.#options.hasCanary === true) lieAboutSyncs(reborn)
    else if (isFull) this.#makeRoom = refuseWrites(reborn)
    return reborn
  }

  // Faults

  #chooseFaults(): void {
    const { diskFailureChance, fullDiskChance, losesPower } = this.#swarm
    if (this.#makeRoom !== undefined) {
      this.#isDiskFaulty = true
      this.#life.after(this.#random.int(FULL_MS_MAX), this.#makeRoom)
      return
    }
    const isFailing = this.#random.chance(diskFailureChance)
    const isFull = this.#random.chance(fullDiskChance)
    this.#isDiskFaulty = isFailing || isFull
    const code = losesPower ? 'EIO' : this.#random.pick(['EIO', 'ENOSPC'] as const)
    if (isFailing) failOnce(this.#disk, this.#random, { withinOperations: FAILS_WITHIN, code })
    const roomBytes = this.#random.int(5000)
    this.#disk.capacityBytes = isFull ? this.#disk.usedBytes + roomBytes : Number.POSITIVE_INFINITY
  }

  #damage(): void {
    this.#counts.bitFlips += 1
    requireDamageIsNoticed({
      disk: this.#disk,
      directory: DIRECTORY,
      config: this.#config,
      model: this.#model,
      isIndexBehind: this.#isIndexBehind,
      random: this.#random,
      nowMs: this.#life.wallNowMs(),
    })
  }

  #draw(): LogOperation {
    const { weights } = this.#swarm
    const names = Object.keys(weights) as LogOperation[]
    let left = this.#random.int(names.reduce((sum, name) => sum + weights[name], 0))
    for (const name of names) {
      left -= weights[name]
      if (left < 0) return name
    }
    return 'append'
  }

  #drawEnding(): LogOperation {
    return this.#random.pick(['append', 'read', 'close', 'kill', 'powerLoss'])
  }

  #deadline(): { readonly untilMs: number } {
    return { untilMs: this.#kernel.nowMs + PATIENCE_MS }
  }
}
