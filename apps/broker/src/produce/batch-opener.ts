import { type LogConfig, openBatch } from '@fairlead/log'
import { type Crc32c, DecompressedTooLarge } from '@fairlead/protocol'
import { boundedDecompress, compressAt } from '@fairlead/runtime'
import type { BatchThread, OpenedBatch } from '../background/batch-thread.ts'
import {
  DECOMPRESSED_BYTES_MAX,
  OPENED_AT_ONCE_BYTES_MAX,
  OPENED_AT_ONCE_DECOMPRESSED_BYTES_MAX,
} from '../limits.ts'

/**
 * Opens the batches whose records have to be looked at or written anew. Small ones at once, on the
 * event loop; all others on a thread. How much a batch really holds shows while it is opened: one that
 * turns out to be large goes to the thread.
 *
 * Memory: a job holds a copy of its batch, whose frame was granted memory, and at most
 * `DECOMPRESSED_BYTES_MAX` more; the thread takes one job at a time.
 */
export class BatchOpener {
  readonly #crc32c: Crc32c
  readonly #thread: BatchThread

  constructor(options: { readonly crc32c: Crc32c; readonly thread: BatchThread }) {
    this.#crc32c = options.crc32c
    this.#thread = options.thread
  }

  open(records: Uint8Array, config: LogConfig, nowMs: number): OpenedBatch | Promise<OpenedBatch> {
    const decompressedBytesMax = Math.min(config.maxDecompressedBytes, DECOMPRESSED_BYTES_MAX)
    if (records.length <= OPENED_AT_ONCE_BYTES_MAX) {
      const opened = this.#openAtOnce(records, config, nowMs, decompressedBytesMax)
      if (opened !== undefined) return opened
    }
    // The frame holds other batches, too: what leaves this thread is a copy.
    const copy = new Uint8Array(records)
    return this.#thread.open({ kind: 'open', records: copy, config, nowMs, decompressedBytesMax })
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
}
