import { Worker } from 'node:worker_threads'
import type { LogConfig, RecordAnswer, RecordQuery, openBatch } from '@fairlead/log'

export type OpenedBatch = ReturnType<typeof openBatch>

/** What the thread is asked. The bytes are its own: they are handed over. */
export type BatchJob = { readonly decompressedBytesMax: number } & (
  | {
      readonly kind: 'open'
      readonly records: Uint8Array<ArrayBuffer>
      readonly config: LogConfig
      readonly nowMs: number
    }
  | {
      readonly kind: 'find'
      readonly query: RecordQuery & { readonly bytes: Uint8Array<ArrayBuffer> }
    }
)
export type BatchOutcome =
  | { readonly kind: 'opened'; readonly opened: OpenedBatch }
  | { readonly kind: 'found'; readonly answer: RecordAnswer }
export type BatchAnswer = { readonly id: number; readonly outcome: BatchOutcome }

const STOPPED = 'the broker stops'

type Waiting = {
  readonly resolve: (outcome: BatchOutcome) => void
  readonly reject: (error: unknown) => void
}

/**
 * A thread for what the records of one batch cost: more than the event loop may stand still. It starts
 * with the first job, and takes one at a time.
 *
 * Memory: a job holds a copy of its batch, and while it is under way what it decompresses. How many
 * wait is bounded by whoever asks.
 */
export class BatchThread {
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #nextId = 0
  #isStopped = false

  async open(job: Extract<BatchJob, { readonly kind: 'open' }>): Promise<OpenedBatch> {
    const outcome = await this.#run(job, job.records.buffer)
    return (outcome as Extract<BatchOutcome, { readonly kind: 'opened' }>).opened
  }

  async find(job: Extract<BatchJob, { readonly kind: 'find' }>): Promise<RecordAnswer> {
    const outcome = await this.#run(job, job.query.bytes.buffer)
    return (outcome as Extract<BatchOutcome, { readonly kind: 'found' }>).answer
  }

  /** Ends the thread for good. Jobs that it has not done, and those to come, are refused. */
  async stop(): Promise<void> {
    const worker = this.#worker
    this.#isStopped = true
    this.#worker = undefined
    this.#fail(new Error(STOPPED))
    await worker?.terminate()
  }

  #run(job: BatchJob, handedOver: ArrayBuffer): Promise<BatchOutcome> {
    if (this.#isStopped) return Promise.reject(new Error(STOPPED))
    const id = this.#nextId
    this.#nextId += 1
    const { promise, resolve, reject } = Promise.withResolvers<BatchOutcome>()
    this.#waiting.set(id, { resolve, reject })
    this.#worker ??= this.#startWorker()
    this.#worker.postMessage({ id, job }, [handedOver])
    return promise
  }

  #startWorker(): Worker {
    const worker = new Worker(new URL('./batch-thread-main.ts', import.meta.url))
    worker.unref()
    worker.on('message', ({ id, outcome }: BatchAnswer) => {
      this.#waiting.get(id)?.resolve(outcome)
      this.#waiting.delete(id)
    })
    worker.on('error', (error) => {
      if (this.#worker === worker) this.#worker = undefined
      this.#fail(error)
    })
    return worker
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
