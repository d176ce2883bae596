import type { Clock, Timers } from '@fairlead/base'
import type { Connection } from './connection.ts'
import type { Load } from './load.ts'
import type { RequestMemory } from './request-memory.ts'

const SAMPLE_INTERVAL_MS = 100
/** Of the limit: garbage is collected from here on, which V8 would let lie. */
const COLLECT_AT = 0.8
/** From here on requests are served one at a time, until less is used again. */
const SHORT_AT = 0.9
const ENOUGH_AT = 0.85
/** From here on the connections that hold most are closed. */
const SHED_AT = 0.97
/** A full collection stops the loop for 50 to 200 ms: not more often than this. */
const COLLECT_INTERVAL_MS = 2_000
/** One that freed little is not soon repeated: what there is, is needed. */
const COLLECT_INTERVAL_MAX_MS = 60_000
const COLLECTED_LITTLE = 0.02
/** Near the limit it is: what lies about by now is a part of the heap. */
const COLLECT_INTERVAL_SHORT_MS = 10_000

export type MemoryGuardOptions = {
  /** `memory.limit.bytes`. */
  readonly limitBytes: number
  readonly residentBytes: () => number
  /** Collects all garbage now. */
  readonly collectGarbage: () => void
  readonly memory: RequestMemory
  readonly load: Load
  readonly connections: () => Iterable<Connection>
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: { warn(fields: object, message: string): void }
}

/**
 * Keeps the resident memory of the process below its limit. The pools bound what requests and
 * responses may hold; this bounds what no pool counts: objects of decoded requests, garbage, buffers
 * of sockets. It measures, and as the limit comes near it collects garbage, then lets requests in one
 * at a time, and at last closes the connections that hold most.
 */
export class MemoryGuard {
  readonly #options: MemoryGuardOptions
  #cancel: () => void = () => {}
  #collectedAtMs = Number.NEGATIVE_INFINITY
  #collectIntervalMs = COLLECT_INTERVAL_MS
  #isShort = false
  #shedTotal = 0

  constructor(options: MemoryGuardOptions) {
    this.#options = options
  }

  get isShort(): boolean {
    return this.#isShort
  }

  get shedTotal(): number {
    return this.#shedTotal
  }

  start(): void {
    this.#cancel = this.#options.timers.after(SAMPLE_INTERVAL_MS, () => {
      this.sample()
      this.start()
    })
  }

  stop(): void {
    this.#cancel()
  }

  sample(): void {
    const { limitBytes, residentBytes } = this.#options
    let used = residentBytes() / limitBytes
    if (used > COLLECT_AT) used = this.#collect(used)
    if (!this.#isShort && used > SHORT_AT) this.#setShort(true, used)
    else if (this.#isShort && used < ENOUGH_AT) this.#setShort(false, used)
    if (used > SHED_AT) this.#shed((used - SHORT_AT) * limitBytes)
  }

  /** Returns what is used afterwards. */
  #collect(usedBefore: number): number {
    const { clock, collectGarbage, residentBytes, limitBytes } = this.#options
    const nowMs = clock.nowMs()
    const longestMs = usedBefore > SHORT_AT ? COLLECT_INTERVAL_SHORT_MS : COLLECT_INTERVAL_MAX_MS
    const intervalMs = Math.min(this.#collectIntervalMs, longestMs)
    if (nowMs - this.#collectedAtMs < intervalMs) return usedBefore
    this.#collectedAtMs = nowMs
    collectGarbage()
    const used = residentBytes() / limitBytes
    const isLittle = usedBefore - used < COLLECTED_LITTLE
    this.#collectIntervalMs = isLittle
      ? Math.min(this.#collectIntervalMs * 2, COLLECT_INTERVAL_MAX_MS)
      : COLLECT_INTERVAL_MS
    return used
  }

  #setShort(isShort: boolean, used: number): void {
    const { memory, load, logger, limitBytes } = this.#options
    this.#isShort = isShort
    memory.isShort = isShort
    load.isMemoryShort = isShort
    const residentBytes = Math.round(used * limitBytes)
    const message = isShort
      ? 'memory is short: requests are let in one at a time'
      : 'memory is no longer short'
    logger.warn({ residentBytes, 'memory.limit.bytes': limitBytes }, message)
  }

  /** Closes as many of the heaviest connections as hold `bytes`. */
  #shed(bytes: number): void {
    const heaviest = [...this.#options.connections()]
      .map((connection) => ({ connection, heldBytes: connection.heldBytes }))
      .filter(({ heldBytes }) => heldBytes > 0)
      .sort((left, right) => right.heldBytes - left.heldBytes)
    let freedBytes = 0
    for (const { connection, heldBytes } of heaviest) {
      if (freedBytes >= bytes) return
      freedBytes += heldBytes
      this.#shedTotal += 1
      const reason = `memory is short, and this connection holds ${heldBytes} bytes of it`
      connection.close({ kind: 'memory', reason })
    }
  }
}
