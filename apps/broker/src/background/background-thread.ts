import { Worker } from 'node:worker_threads'
import { errorMessage, invariant } from '@fairlead/base'
import {
  type BackgroundJob,
  CANCEL_WORD,
  CONTROL_BYTES,
  type JobEnd,
  type JobReport,
  RATE_POSITION,
} from './messages.ts'

const THREAD = new URL('./thread-main.ts', import.meta.url)
/** Of JavaScript objects; what a job reads and maps stands outside of the heap. */
const HEAP_MIB_MAX = 256

export type JobOutcome =
  | JobEnd
  /** The thread ended instead of answering: a defect, or out of memory. */
  | { readonly kind: 'died'; readonly message: string }

type JobUnderWay = {
  readonly onReport: (report: JobReport) => void
  readonly onEnd: (outcome: JobOutcome) => void
}

/**
 * A thread for long work, begun when there is some, and ended by `rest` when there is none: at rest it
 * costs nothing. One job at a time; after it died, the next job begins a new thread.
 */
export class BackgroundThread {
  readonly #control = new Int32Array(new SharedArrayBuffer(CONTROL_BYTES))
  readonly #rate = new Float64Array(this.#control.buffer, RATE_POSITION, 1)
  #worker: Worker | undefined
  #underWay: JobUnderWay | undefined

  /** Resolves when the job has ended. `onReport` hears of its steps, before that. */
  run(job: BackgroundJob, onReport: JobUnderWay['onReport']): Promise<JobOutcome> {
    invariant(this.#underWay === undefined, 'a thread has one job at a time')
    Atomics.store(this.#control, CANCEL_WORD, 0)
    this.#rate[0] = job.bytesPerSecond
    const worker = this.#worker ?? this.#begin()
    const { promise, resolve } = Promise.withResolvers<JobOutcome>()
    this.#underWay = { onReport, onEnd: resolve }
    worker.postMessage(job, [])
    return promise
  }

  /** The job under way goes on at this rate. */
  limit(bytesPerSecond: number): void {
    this.#rate[0] = bytesPerSecond
    Atomics.notify(this.#control, CANCEL_WORD)
  }

  /** Makes the job under way end soon, with what it has. */
  cancel(): void {
    Atomics.store(this.#control, CANCEL_WORD, 1)
    Atomics.notify(this.#control, CANCEL_WORD)
  }

  /** Ends the thread, which has nothing to do. */
  async rest(): Promise<void> {
    invariant(this.#underWay === undefined, 'a thread with a job does not rest')
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }

  #begin(): Worker {
    const worker = new Worker(THREAD, {
      name: 'background',
      workerData: this.#control.buffer,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
    })
    worker.on('message', (report: JobReport | JobEnd) => this.#onReport(report))
    worker.on('error', (error) => this.#onDeath(worker, errorMessage(error)))
    worker.on('exit', (code) => this.#onDeath(worker, `the thread exited with ${code}`))
    this.#worker = worker
    return worker
  }

  #onReport(report: JobReport | JobEnd): void {
    if (report.kind === 'segment' || report.kind === 'damage') this.#underWay?.onReport(report)
    else this.#end(report)
  }

  #onDeath(worker: Worker, message: string): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.#end({ kind: 'died', message })
  }

  #end(outcome: JobOutcome): void {
    const ended = this.#underWay
    this.#underWay = undefined
    ended?.onEnd(outcome)
  }
}
