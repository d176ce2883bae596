import { Worker } from 'node:worker_threads'
import { type LogConfig, openBatch } from '@fairlead/log'
import { type Crc32c, DecompressedTooLarge } from '@fairlead/protocol'
import { boundedDecompress, compressAt } from '@fairlead/runtime'
import {
  DECOMPRESSED_BYTES_MAX,
  OPENED_AT_ONCE_BYTES_MAX,
  OPENED_AT_ONCE_DECOMPRESSED_BYTES_MAX,
} from '../limits.ts'

export type OpenedBatch = ReturnType<typeof openBatch>

/** What the thread is asked, and what it answers. */
export type OpenJob = {
  readonly id: number
  readonly records: Uint8Array
  readonly config: LogConfig
  readonly nowMs: number
  readonly decompressedBytesMax: number
}
export type OpenAnswer = { readonly id: number; readonly outcome: OpenedBatch }

type Waiting = {
  readonly resolve: (outcome: OpenedBatch) => void
  readonly reject: (error: unknown) => void
}

/**
 * Opens the batches whose records have to be looked at or written anew. Small ones at once, on the
 * event loop; all others on a thread of their own, which starts with the first of them. How much a
 * batch really holds shows while it is opened: one that turns out to be large goes to the thread.
 *
 * Memory: a job holds a copy of its batch, whose frame was granted memory, and at most
 * `DECOMPRESSED_BYTES_MAX` more; the thread takes one job at a time.
 */
export class BatchOpener {
  readonly #crc32c: Crc32c
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #nextId = 0

  constructor(options: { readonly crc32c: Crc32c }) {
    this.#crc32c = options.crc32c
  }

  open(records: Uint8Array, config: LogConfig, nowMs: number): OpenedBatch | Promise<OpenedBatch> {
    const decompressedBytesMax = Math.min(config.maxDecompressedBytes, DECOMPRESSED_BYTES_MAX)
    if (records.length <= OPENED_AT_ONCE_BYTES_MAX) {
      const opened = this.#openAtOnce(records, config, nowMs, decompressedBytesMax)
      if (opened !== undefined) return opened
    }
    return this.#openElsewhere({ records, config, nowMs, decompressedBytesMax })
  }

  /** Ends the thread. Batches that it has not opened are refused. */
  async stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    this.#fail(new Error('the broker stops'))
    await worker?.terminate()
  }

  /** Undefined when the batch holds more than may be opened on the event loop. */
  #openAtOnce(
    records: Uint8Array,
    config: LogConfig,
    nowMs: number,
    decompressedBytesMax: number,
  ): OpenedBatch | undefined {
    const limitBytes = Math.min(OPENED_AT_ONCE_DECOMPRESSED_BYTES_MAX, decompressedBytesMax)
    const decompressWithin = boundedDecompress(limitBytes)
    let isTooLarge = false
    const opened = openBatch(records, {
      config,
      nowMs,
      crc32c: this.#crc32c,
      compress: compressAt(config.compressionLevel),
      decompress: (type, bytes) => {
        try {
          return decompressWithin(type, bytes)
        } catch (error) {
          isTooLarge = error instanceof DecompressedTooLarge
          throw error
        }
      },
    })
    return isTooLarge && limitBytes < decompressedBytesMax ? undefined : opened
  }

  #openElsewhere(job: Omit<OpenJob, 'id'>): Promise<OpenedBatch> {
    const id = this.#nextId
    this.#nextId += 1
    // The frame holds other batches, too: what leaves this thread is a copy.
    const records = new Uint8Array(job.records)
    const { promise, resolve, reject } = Promise.withResolvers<OpenedBatch>()
    this.#waiting.set(id, { resolve, reject })
    this.#worker ??= this.#startWorker()
    this.#worker.postMessage({ ...job, id, records } satisfies OpenJob, [records.buffer])
    return promise
  }

  #startWorker(): Worker {
    const worker = new Worker(new URL('./open-batch-thread.ts', import.meta.url))
    worker.unref()
    worker.on('message', ({ id, outcome }: OpenAnswer) => {
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
