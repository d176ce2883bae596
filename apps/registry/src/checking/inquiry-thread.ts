import { Worker } from 'node:worker_threads'
import { errorMessage } from '@fairlead/base'
import {
  ERROR_CODES,
  type Inquiry,
  type Outcome,
  type RegistryRecord,
  type SchemaRegistryOptions,
} from '@fairlead/schemas'
import { HttpFailure } from '../http/errors.ts'

/** One question, with the part of the image that it depends on. */
export type InquiryJob = {
  readonly options: SchemaRegistryOptions
  readonly records: readonly RegistryRecord[]
  readonly inquiry: Inquiry
}

/** What the thread answers; a failure of the thread itself is an event of its own. */
export type InquiryOutcome = Outcome<unknown>

/** What the thread says of an inquiry, in this order. */
export type InquiryReply =
  | { readonly kind: 'begun' }
  | { readonly kind: 'answered'; readonly outcome: InquiryOutcome }

export type InquiryThreadOptions = {
  /** Of one inquiry, from when the thread has it; the thread is ended when it takes longer. Default 10 s. */
  readonly timeMaxMs?: number
  /** Of the thread's objects. Default 128 MB. */
  readonly heapMegabytesMax?: number
  /** Inquiries that wait for their turn; beyond it, the largest is refused. Default 50. */
  readonly waitingMax?: number
  /** Told when the thread had to be ended, or ended itself. */
  readonly onEnded?: (reason: string) => void
}

const TIME_MAX_MS = 10_000
/** Until a thread begins with an inquiry, which it does at once unless it has to start. */
const BEGIN_MAX_MS = 30_000
/** Twice what comparing two schemas of 1 MB takes, with patches for what is incompatible. */
const HEAP_MEGABYTES_MAX = 128
/** Of what is new: the less, the more often it is collected. */
const YOUNG_MEGABYTES_MAX = 16
const WAITING_MAX = 50
const STOPPED = 'the registry stops'

/** Smaller ones that a waiting inquiry lets go first. */
const PASSED_OVER_MAX = 10

type Waiting = {
  /** Made when its turn comes: what waits holds no copy of the image. */
  readonly job: () => InquiryJob
  /** Of all that it may read, by which its time is told beforehand. */
  readonly textLength: number
  passedOverCount: number
  readonly resolve: (outcome: InquiryOutcome) => void
  readonly reject: (error: unknown) => void
}

/**
 * A thread for inquiries that would hold up the event loop. It starts with the first one, and takes one
 * at a time: what it is asked costs no more than a processor, and no more memory than it is granted. The
 * smallest goes first, so that those who send the largest wait for each other and not the others for them.
 */
export class InquiryThread {
  readonly #timeMaxMs: number
  readonly #heapMegabytesMax: number
  readonly #waitingMax: number
  readonly #onEnded: (reason: string) => void
  readonly #waiting: Waiting[] = []
  #current: Waiting | undefined
  #timer: NodeJS.Timeout | undefined
  #worker: Worker | undefined
  #isStopped = false

  constructor(options: InquiryThreadOptions = {}) {
    this.#timeMaxMs = options.timeMaxMs ?? TIME_MAX_MS
    this.#heapMegabytesMax = options.heapMegabytesMax ?? HEAP_MEGABYTES_MAX
    this.#waitingMax = options.waitingMax ?? WAITING_MAX
    this.#onEnded = options.onEnded ?? (() => undefined)
  }

  /** Those under way included. */
  get waitingCount(): number {
    return this.#waiting.length + (this.#current === undefined ? 0 : 1)
  }

  /**
   * @throws {HttpFailure} 429 when too many wait and this is the largest, 42201 for what takes too long or too
   *   much memory.
   * @throws {Error} for a failure of the thread.
   */
  ask(job: () => InquiryJob, textLength = 0): Promise<InquiryOutcome> {
    if (this.#isStopped) return Promise.reject(new Error(STOPPED))
    const { promise, resolve, reject } = Promise.withResolvers<InquiryOutcome>()
    this.#waiting.push({ job, textLength, passedOverCount: 0, resolve, reject })
    this.#takeNext()
    if (this.#waiting.length > this.#waitingMax) this.#refuseLargest()
    return promise
  }

  /** Ends the thread for good. What it has not answered, and what is to come, is refused. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(STOPPED))
    await this.#end(new Error(STOPPED))
  }

  /** Of several, the one that came last. */
  #refuseLargest(): void {
    const largest = Math.max(...this.#waiting.map(({ textLength }) => textLength))
    const index = this.#waiting.findLastIndex(({ textLength }) => textLength === largest)
    const message = 'Too many large schemas wait to be checked: try again later'
    const refusal = new HttpFailure({ errorCode: 429, message, retryAfterSeconds: 1 })
    for (const { reject } of this.#waiting.splice(index, 1)) reject(refusal)
  }

  /** The smallest, unless one has let enough of them go first; of several, the one that came first. */
  #nextIndex(): number {
    const due = this.#waiting.findIndex((each) => each.passedOverCount >= PASSED_OVER_MAX)
    if (due !== -1) return due
    const smallest = Math.min(...this.#waiting.map(({ textLength }) => textLength))
    return this.#waiting.findIndex(({ textLength }) => textLength === smallest)
  }

  #takeNext(): void {
    if (this.#current !== undefined || this.#waiting.length === 0) return
    const index = this.#nextIndex()
    const [next] = this.#waiting.splice(index, 1)
    if (next === undefined) return
    for (const passedOver of this.#waiting.slice(0, index)) passedOver.passedOverCount += 1
    this.#current = next
    try {
      this.#worker ??= this.#startWorker()
      this.#worker.postMessage(next.job(), [])
    } catch (error) {
      this.#settle(({ reject }) => reject(error))
      return
    }
    this.#endAfter(BEGIN_MAX_MS, () => {
      const reason = `the thread for large schemas did not begin within ${BEGIN_MAX_MS / 1_000} s`
      return { reason, error: new Error(reason) }
    })
  }

  /** The start of the thread is not the inquiry's: on a busy machine it takes seconds. */
  #begun(): void {
    this.#endAfter(this.#timeMaxMs, () => {
      const tooLong = `more than ${this.#timeMaxMs / 1_000} s`
      return { reason: `an inquiry took ${tooLong}`, error: tooCostly(tooLong) }
    })
  }

  #endAfter(timeMs: number, cause: () => { readonly reason: string; readonly error: Error }): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const { reason, error } = cause()
      this.#onEnded(reason)
      void this.#end(error)
    }, timeMs).unref()
  }

  #startWorker(): Worker {
    const worker = new Worker(new URL('./inquiry-thread-main.ts', import.meta.url), {
      resourceLimits: {
        maxOldGenerationSizeMb: this.#heapMegabytesMax,
        maxYoungGenerationSizeMb: YOUNG_MEGABYTES_MAX,
      },
    })
    worker.unref()
    worker.on('message', (reply: InquiryReply) => {
      if (this.#worker !== worker) return
      if (reply.kind === 'begun') this.#begun()
      else this.#settle(({ resolve }) => resolve(reply.outcome))
    })
    worker.on('error', (error: Error & { readonly code?: string }) => {
      if (this.#worker !== worker) return
      this.#onEnded(errorMessage(error))
      const isTooLarge = error.code === 'ERR_WORKER_OUT_OF_MEMORY'
      void this.#end(isTooLarge ? tooCostly(`more than ${this.#heapMegabytesMax} MB`) : error)
    })
    return worker
  }

  async #end(reason: Error): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    const ended = worker?.terminate()
    this.#settle(({ reject }) => reject(reason))
    await ended
  }

  #settle(settle: (current: Waiting) => void): void {
    clearTimeout(this.#timer)
    const current = this.#current
    this.#current = undefined
    if (current !== undefined) settle(current)
    this.#takeNext()
  }
}

function tooCostly(what: string): HttpFailure {
  const message = `Invalid schema: to check it takes ${what}`
  return new HttpFailure({ errorCode: ERROR_CODES.INVALID_SCHEMA, message })
}
