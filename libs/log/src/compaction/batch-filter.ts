import {
  type BatchHeader,
  type Crc32c,
  type RecordCursor,
  RetainedRecords,
  emptyBatch,
  rewriteBatch,
} from '@fairlead/protocol'
import { NO_PRODUCER_ID } from '../producer-state.ts'
import type { ActiveProducer } from './active-producers.ts'
import { type BatchCodecs, markerOf, openRecords, visitRecords } from './batch-records.ts'
import type { CleanedTransactions } from './cleaned-transactions.ts'
import { OffsetDigest, type OffsetMap } from './offset-map.ts'

export type BatchFilterOptions = {
  readonly map: OffsetMap
  /** The first offset that the map does not cover: records from there on are not judged. */
  readonly mapEndOffset: number
  readonly nowMs: number
  /** `delete.retention.ms` */
  readonly deleteRetentionMs: number
  readonly producers: ReadonlyMap<number, ActiveProducer>
  /** The batch that ends here stays even when it is empty, so that the log does not end earlier. */
  readonly roundEndOffset: number
  readonly transactions: CleanedTransactions
  readonly codecs: BatchCodecs
  readonly crc32c: Crc32c
}

/**
 * What is left of a batch when its log is compacted (Kafka's `Cleaner.cleanInto` and
 * `MemoryRecords.filterTo`, KIP-534). Batches are shown to it in the order of the log.
 *
 * - A record goes when the map knows a later one of its key, and when it has no key.
 * - The first compaction that meets a tombstone writes into its batch until when it stays; one after
 *   that time removes it. Markers of transactions, once all their records are gone, likewise.
 * - The last batch of an active producer stays, if need be without records: it holds the sequence.
 * - A batch that loses nothing stays the same bytes. One whose records cannot be read stays whole.
 */
export class BatchFilter {
  readonly #options: BatchFilterOptions
  /** Tombstones that are the latest of their keys, and went because their time was over. */
  readonly expiredTombstones: OffsetDigest = new OffsetDigest()
  readRecordCount = 0
  retainedRecordCount = 0
  /** Records without a key, from before the topic was compacted. */
  invalidRecordCount = 0
  unreadBatchCount = 0
  /** Whether any batch is not what it was. */
  hasChanged = false

  constructor(options: BatchFilterOptions) {
    this.#options = options
  }

  /** The bytes to be written for a batch; undefined when none are. `batch` is exactly one batch. */
  retain(batch: Uint8Array, header: BatchHeader): Uint8Array | undefined {
    const kept = this.#retain(batch, header)
    this.readRecordCount += header.recordCount
    this.hasChanged ||= kept !== batch
    return kept
  }

  #retain(batch: Uint8Array, header: BatchHeader): Uint8Array | undefined {
    const { transactions, mapEndOffset, codecs, crc32c } = this.#options
    const isUnmapped = header.baseOffset >= mapEndOffset
    const records = isUnmapped && !header.isControl ? undefined : openRecords(batch, header, codecs)
    const isMarkerOfNothing =
      header.isControl && transactions.isMarkerOfNothing(header, markerOf(records, header))
    const isDiscarded = header.isControl
      ? isMarkerOfNothing && this.#isPastHorizon(header)
      : transactions.isAborted(header)
    const kept = isDiscarded ? 'none' : this.#keep(records, header, isMarkerOfNothing)
    if (kept === 'all') {
      this.retainedRecordCount += header.recordCount
      return header.recordCount > 0 || this.#isNeeded(header) ? batch : undefined
    }
    if (kept === 'none') return this.#isNeeded(header) ? emptyBatch(header, crc32c) : undefined
    this.retainedRecordCount += kept.retained.count
    const { hasDeleteHorizon } = kept
    return rewriteBatch(header, kept.retained, { hasDeleteHorizon, ...codecs, crc32c })
  }

  #keep(
    records: Uint8Array | undefined,
    header: BatchHeader,
    isMarkerOfNothing: boolean,
  ): 'all' | 'none' | { readonly retained: RetainedRecords; readonly hasDeleteHorizon: boolean } {
    if (header.baseOffset >= this.#options.mapEndOffset) return 'all'
    const judged = records === undefined ? undefined : this.#judge(records, header)
    if (records === undefined || judged === undefined) {
      this.unreadBatchCount += 1
      return 'all'
    }
    for (const offset of judged.expiredOffsets) this.expiredTombstones.add(offset)
    this.invalidRecordCount += judged.invalidCount
    const startsHorizon = this.#startsHorizon(header, judged.hasTombstones || isMarkerOfNothing)
    if (judged.keptCount === header.recordCount && !startsHorizon) return 'all'
    if (judged.keptCount === 0) return 'none'
    const { nowMs, deleteRetentionMs } = this.#options
    const horizonMs = startsHorizon ? nowMs + deleteRetentionMs : undefined
    const retained = new RetainedRecords(header, horizonMs)
    let index = 0
    visitRecords(records, header, (record) => {
      if (judged.keeps[index] === 1) retained.add(record)
      index += 1
      return true
    })
    return { retained, hasDeleteHorizon: header.hasDeleteHorizon || startsHorizon }
  }

  /** Which records stay; undefined when one of them is malformed. */
  #judge(records: Uint8Array, header: BatchHeader) {
    const keeps = new Uint8Array(header.recordCount)
    const expiredOffsets: number[] = []
    let keptCount = 0
    let invalidCount = 0
    let hasTombstones = false
    let index = -1
    const isWhole = visitRecords(records, header, (record, offset) => {
      index += 1
      const fate = header.isControl ? 'kept' : this.#fateOf(record, offset, header)
      if (fate === 'expired') expiredOffsets.push(offset)
      if (fate === 'invalid') invalidCount += 1
      if (fate !== 'kept') return true
      keeps[index] = 1
      keptCount += 1
      hasTombstones ||= !record.hasValue
      return true
    })
    if (!isWhole) return undefined
    return { keeps, keptCount, hasTombstones, invalidCount, expiredOffsets }
  }

  #fateOf(
    record: RecordCursor,
    offset: number,
    header: BatchHeader,
  ): 'kept' | 'superseded' | 'expired' | 'invalid' {
    const { map, mapEndOffset } = this.#options
    if (offset >= mapEndOffset) return 'kept'
    if (!record.hasKey) return 'invalid'
    const latestOffset = map.get(record.bytes, record.keyStart, record.keyBytes)
    if (offset < latestOffset) return 'superseded'
    if (record.hasValue || !this.#isPastHorizon(header)) return 'kept'
    return offset === latestOffset ? 'expired' : 'superseded'
  }

  /** The time of a tombstone begins when all before it were removed: not before the map covers it. */
  #startsHorizon(header: BatchHeader, isWanted: boolean): boolean {
    const lastOffset = header.baseOffset + header.lastOffsetDelta
    return isWanted && !header.hasDeleteHorizon && lastOffset < this.#options.mapEndOffset
  }

  #isPastHorizon(header: BatchHeader): boolean {
    return header.hasDeleteHorizon && header.baseTimestampMs <= this.#options.nowMs
  }

  /** Whether a batch stays even when all its records go. */
  #isNeeded(header: BatchHeader): boolean {
    const { producers, roundEndOffset } = this.#options
    const lastOffset = header.baseOffset + header.lastOffsetDelta
    if (lastOffset + 1 === roundEndOffset) return true
    if (header.producerId === NO_PRODUCER_ID) return false
    const producer = producers.get(header.producerId)
    if (producer === undefined) return false
    return producer.lastDataOffset >= 0
      ? producer.lastDataOffset === lastOffset
      : header.isControl && producer.producerEpoch === header.producerEpoch
  }
}
