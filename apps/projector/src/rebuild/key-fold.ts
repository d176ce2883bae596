import { setImmediate } from 'node:timers/promises'
import {
  Attempts,
  BatchLedger,
  type ChangedRows,
  type FoldProjection,
  type Letter,
  type LogRecord,
  type PreparedRecord,
  type Row,
  type RowKey,
  foldInto,
  rowKeyOf,
} from '@fairlead/projection'
import type { EventLog } from '../log/event-log.ts'
import type { RecordReader } from '../log/prepare-records.ts'
import type { PartitionProgress } from '../store/checkpoints.ts'
import type { BuildSession } from './build-session.ts'
import { MergedLog } from './merged-log.ts'

const RECORDS_AT_A_TIME = 1_000

type KeyFoldOptions = {
  readonly session: BuildSession
  readonly log: EventLog
  readonly reader: RecordReader
  readonly projection: FoldProjection
  readonly fetchBytesMax: number
  readonly wants: (key: RowKey) => boolean
  readonly signal: AbortSignal
}

/** Folds the events of some rows from the log, in as many steps as its caller likes. */
export class KeyFold {
  readonly #options: KeyFoldOptions
  readonly #projection: FoldProjection
  readonly #parkedKeys = new Set<string>()
  #positions: readonly PartitionProgress[] = []
  /** Rows by key; undefined where their events end in a deletion. */
  readonly rows: ChangedRows = new Map()
  /** What failed, as it does in a live fold. */
  readonly letters: Letter[] = []
  /** Partition and offset of every event that was folded. */
  readonly folded: Pick<LogRecord, 'topic' | 'partition' | 'offset'>[] = []
  #readCount = 0

  constructor(options: KeyFoldOptions) {
    this.#options = options
    const retry = { ...options.projection.retry, retries: 0 }
    this.#projection = { ...options.projection, retry }
  }

  /** Records of the log that are behind it. */
  get readCount(): number {
    return this.#readCount
  }

  /** Reads on to the ends; from the first record of each partition that it has not seen. */
  async readTo(ends: readonly PartitionProgress[]): Promise<void> {
    const { log, reader, fetchBytesMax, signal } = this.#options
    const partitions = await Promise.all(
      ends.map(async ({ topic, partition, progress: { nextOffset: end } }) => {
        const earliest = await log.earliestOffset(topic, partition)
        const begin = { nextOffset: Math.min(end, earliest), source: null, eventTimeMs: null }
        const read = this.#positions.find(
          (position) => position.topic === topic && position.partition === partition,
        )
        return { topic, partition, start: read?.progress ?? begin, end }
      }),
    )
    const onTrouble = (): void => undefined
    const merged = new MergedLog({ log, reader, partitions, fetchBytesMax, signal, onTrouble })
    for (;;) {
      await setImmediate()
      signal.throwIfAborted()
      const records = await merged.next(RECORDS_AT_A_TIME)
      this.#readCount = merged.readCount
      if (records.length === 0) break
      await this.#fold(records.filter((record) => this.#isWanted(record)))
    }
    this.#positions = merged.positions()
  }

  #isWanted({ content, record }: PreparedRecord): boolean {
    if (content.kind !== 'event') return false
    let key: RowKey
    try {
      key = rowKeyOf(this.#projection, content.event)
    } catch {
      return false
    }
    if (!this.#options.wants(key)) return false
    const { topic, partition, offset } = record
    this.folded.push({ topic, partition, offset })
    return true
  }

  async #fold(records: readonly PreparedRecord[]): Promise<void> {
    if (records.length === 0) return
    const events = records.flatMap(({ content }) =>
      content.kind === 'event' ? [content.event] : [],
    )
    const { db } = this.#options.session
    const enriched = await this.#projection.enrich?.(events, { db })
    const ledger = new BatchLedger({
      projection: this.#projection,
      parkedKeys: this.#parkedKeys,
      attempts: Attempts.none,
    })
    const batch = { records, rows: NO_ROWS, changed: this.rows, ledger, enriched }
    foldInto(this.#projection, batch)
    for (const key of ledger.parkedKeys) this.#parkedKeys.add(key)
    this.letters.push(...ledger.letters)
  }
}

const NO_ROWS: ReadonlyMap<RowKey, Row> = new Map()
