import { type FindRecord, type RecordAnswer, type RecordQuery, findRecord } from '@fairlead/log'
import { DecompressedTooLarge } from '@fairlead/protocol'
import { boundedDecompress } from '@fairlead/runtime'
import type { BatchThread } from '../background/batch-thread.ts'
import {
  DECOMPRESSED_BYTES_MAX,
  OPENED_AT_ONCE_BYTES_MAX,
  OPENED_AT_ONCE_DECOMPRESSED_BYTES_MAX,
} from '../limits.ts'

/**
 * Finds records inside batches for lookups by time: in small batches at once, on the event loop; in all
 * others on a thread. A batch that passes `DECOMPRESSED_BYTES_MAX` cannot be looked into.
 *
 * How many wait is bounded by whoever looks up.
 */
export class RecordFinder {
  readonly #thread: BatchThread

  constructor(options: { readonly thread: BatchThread }) {
    this.#thread = options.thread
  }

  readonly find: FindRecord = (query, done) => {
    const atOnce = findAtOnce(query)
    if (atOnce !== undefined) {
      done(atOnce)
      return
    }
    const copy = { ...query, bytes: new Uint8Array(query.bytes) }
    const job = { kind: 'find', query: copy, decompressedBytesMax: DECOMPRESSED_BYTES_MAX } as const
    // Without the thread, which a broker that stops has ended, the batch is answered by its beginning.
    this.#thread.find(job).then(done, () => done('unreadable'))
  }
}

/** Undefined when the batch holds more than may be looked at on the event loop. */
function findAtOnce(query: RecordQuery): RecordAnswer | undefined {
  const isPlain = query.header.compression === 'none'
  const bytesMax = isPlain ? OPENED_AT_ONCE_DECOMPRESSED_BYTES_MAX : OPENED_AT_ONCE_BYTES_MAX
  if (query.bytes.length > bytesMax) return undefined
  const decompressWithin = boundedDecompress(OPENED_AT_ONCE_DECOMPRESSED_BYTES_MAX)
  let isTooLarge = false
  const answer = findRecord(query, (type, bytes) => {
    try {
      return decompressWithin(type, bytes)
    } catch (error) {
      isTooLarge = error instanceof DecompressedTooLarge
      throw error
    }
  })
  return isTooLarge ? undefined : answer
}
