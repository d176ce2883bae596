import { BufferPool } from '@fairlead/base'
import {
  DEFAULT_LOG_CONFIG,
  type Disk,
  IndexCache,
  type LogConfig,
  type PartitionLog,
  StorageError,
  TailCache,
  openPartitionLog,
} from '@fairlead/log'
import {
  type DecodedRecord,
  crc32c,
  decodeRecords,
  encodeBatch,
  splitBatches,
} from '@fairlead/protocol'
import type { SimulatedLife } from '@fairlead/simulation'
import { require } from '../finding.ts'
import { SMALL_BUFFERS } from '../small-buffers.ts'

const DIRECTORY = '/logs'
const READ_BYTES = 100_000

export type StoredRecord = { readonly key: Uint8Array | null; readonly value: Uint8Array | null }

/** The logs of one broker, by directory name. Whatever fails is the end of the process. */
export class LogStore {
  readonly #disk: Disk
  readonly #life: SimulatedLife
  readonly #segmentBytes: number
  readonly #onFailure: (error: StorageError) => void
  readonly #logs = new Map<string, PartitionLog>()
  readonly #buffers = new BufferPool(SMALL_BUFFERS)
  readonly #tailCache = new TailCache({ budgetBytes: 20_000, buffers: this.#buffers })
  readonly #indexCache = new IndexCache({ budgetBytes: 20_000 })

  constructor(options: {
    readonly disk: Disk
    readonly life: SimulatedLife
    readonly segmentBytes: number
    readonly onFailure: (error: StorageError) => void
  }) {
    this.#disk = options.disk
    this.#life = options.life
    this.#segmentBytes = options.segmentBytes
    this.#onFailure = options.onFailure
  }

  get(topic: string, partition: number): PartitionLog | undefined {
    return this.#logs.get(`${topic}-${partition}`)
  }

  all(): IterableIterator<[string, PartitionLog]> {
    return this.#logs.entries()
  }

  open(topic: string, partition: number, done: (log: PartitionLog) => void): void {
    const name = `${topic}-${partition}`
    const config: LogConfig = {
      ...DEFAULT_LOG_CONFIG,
      retentionMs: -1,
      segmentBytes: this.#segmentBytes,
    }
    const options = {
      disk: this.#disk,
      directory: `${DIRECTORY}/${name}`,
      config,
      crc32c,
      tailCache: this.#tailCache,
      indexCache: this.#indexCache,
      buffers: this.#buffers,
      nowMs: this.#life.wallNowMs(),
      onFailure: this.#onFailure,
    }
    openPartitionLog(options, (result) => {
      if (!result.ok && result.error.code === 'LOG_CORRUPT') throw result.error
      if (!result.ok) {
        this.#onFailure(result.error)
        return
      }
      this.#logs.set(name, result.value)
      done(result.value)
    })
  }

  /** `done` runs once the records are durable. */
  append(log: PartitionLog, records: readonly StoredRecord[], done: () => void): void {
    const nowMs = this.#life.wallNowMs()
    const stamped = records.map((record) => ({ ...record, headers: [], timestampMs: nowMs }))
    const batch = encodeBatch({ records: stamped }, crc32c)
    log.append(batch, { leaderEpoch: 0, nowMs, origin: 'coordinator' }, (result) => {
      if (result.ok) done()
      // Memory is ahead of the log: as in the broker, that is the end of the process.
      else this.#onFailure(new StorageError(result.message, { code: result.errorCode }))
    })
  }

  /** Shows every record up to the high watermark, in order. */
  replay(log: PartitionLog, each: (record: DecodedRecord) => void, done: () => void): void {
    const readOn = (fetchOffset: number): void => {
      if (fetchOffset >= log.highWatermark) {
        done()
        return
      }
      log.read({ fetchOffset, maxBytes: READ_BYTES }, (result) => {
        require(result.ok, () => `a log cannot be read at ${fetchOffset}`)
        for (const chunk of result.chunks) for (const record of recordsOf(chunk)) each(record)
        readOn(result.nextOffset)
      })
    }
    readOn(log.logStartOffset)
  }
}

export function* recordsOf(chunk: Uint8Array): Iterable<DecodedRecord> {
  for (const batch of splitBatches(chunk)) yield* decodeRecords(chunk, batch.position, batch)
}
