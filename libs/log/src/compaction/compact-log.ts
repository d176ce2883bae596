import { invariant } from '@fairlead/base'
import type { BatchHeader, Crc32c } from '@fairlead/protocol'
import type { SegmentRange } from '../checkpoints.ts'
import { type Disk, type DiskCallback, type DiskFile, StorageError, corruptLog } from '../disk.ts'
import { type DiskTask, perform } from '../disk-task.ts'
import { IndexCache } from '../index-cache.ts'
import { Segment, emptySummary, segmentPath } from '../segment.ts'
import { SegmentIndex } from '../segment-index.ts'
import { type ScanVerdict, type ScannedBatch, headerAt, scanBatches } from '../segment-scan.ts'
import { type ActiveProducer, decodeActiveProducers } from './active-producers.ts'
import { BatchFilter } from './batch-filter.ts'
import { type BatchCodecs, markerOf, openRecords, visitRecords } from './batch-records.ts'
import { type AbortedTransaction, CleanedTransactions } from './cleaned-transactions.ts'
import { OffsetDigest, OffsetMap } from './offset-map.ts'
import { type CompactionSegment, mayJoin } from './plan.ts'
import { CLEANED_SUFFIX } from './swap.ts'

/** Plain data, so that it can be handed to another thread. */
export type CompactionJob = {
  readonly directory: string
  /** All closed segments below `endOffset`, in order. */
  readonly segments: readonly CompactionSegment[]
  readonly firstDirtyOffset: number
  readonly endOffset: number
  readonly nowMs: number
  /** `delete.retention.ms` */
  readonly deleteRetentionMs: number
  /** `segment.bytes` and `segment.index.bytes`: limits of a segment that is merged from several. */
  readonly segmentBytes: number
  readonly segmentIndexBytes: number
  readonly indexIntervalBytes: number
  /** From `encodeActiveProducers`. */
  readonly producers: Float64Array
  readonly abortedTransactions: readonly AbortedTransaction[]
  /** `log.cleaner.dedupe.buffer.size` and `log.cleaner.io.buffer.load.factor` */
  readonly mapBytes: number
  readonly mapLoadFactor: number
  /** Read and written at a time. */
  readonly bufferBytes: number
}

export type CompactionPorts = {
  readonly disk: Disk
  readonly crc32c: Crc32c
  readonly codecs: BatchCodecs
  /** A compacted segment is durable in its `.cleaned` files: it may take the place of its sources. */
  readonly onSegment: (range: SegmentRange, done: DiskCallback<void>) => void
}

export type CompactionResult = {
  /** Where the next compaction begins: before `endOffset` of the job when the map was full. */
  readonly firstDirtyOffset: number
  readonly mapReadBytes: number
  readonly readBytes: number
  readonly writtenBytes: number
  readonly readRecordCount: number
  readonly retainedRecordCount: number
  readonly invalidRecordCount: number
  /** Batches that stay whole because their records cannot be read. */
  readonly unreadBatchCount: number
  /** Share of the map that was filled, 0 to 1. */
  readonly mapUtilization: number
}

/** What a compacted segment holds is not what its sources call for: it was not put in their place. */
const COMPACTION_MISMATCH = 'COMPACTION_MISMATCH'
const LOG_CLEANED = `.log${CLEANED_SUFFIX}`
const INDEX_CLEANED = `.idx${CLEANED_SUFFIX}`

/**
 * Compacts a log, as Kafka's `Cleaner`: maps the keys of the new part to their latest offsets, then
 * copies segment by segment what no later record of its key makes obsolete.
 *
 * It reads sources that do not change any more and writes `.cleaned` files only; `onSegment` does the
 * rest. Memory: the map, and a few buffers. The checksum of every batch is verified before it is
 * copied, and what was written is read back and compared with the map before it counts.
 *
 * @throws {StorageError} `LOG_CORRUPT` for a bad source, `COMPACTION_MISMATCH`, or what the disk says.
 */
export function* compactLog(
  job: CompactionJob,
  ports: CompactionPorts,
): DiskTask<CompactionResult> {
  return yield* new Compaction(job, ports).run()
}

class Compaction {
  readonly #job: CompactionJob
  readonly #ports: CompactionPorts
  readonly #map: OffsetMap
  readonly #producers: ReadonlyMap<number, ActiveProducer>
  readonly #filters: BatchFilter[] = []
  #mapReadBytes = 0
  #readBytes = 0
  #writtenBytes = 0

  constructor(job: CompactionJob, ports: CompactionPorts) {
    invariant(job.firstDirtyOffset < job.endOffset, 'there is something to compact')
    this.#job = job
    this.#ports = ports
    this.#producers = decodeActiveProducers(job.producers)
    this.#map = new OffsetMap({
      bufferBytes: job.mapBytes,
      loadFactor: job.mapLoadFactor,
      keysMax: job.endOffset - job.firstDirtyOffset,
    })
  }

  *run(): DiskTask<CompactionResult> {
    const mapEndOffset = yield* this.#buildMap()
    const transactions = new CleanedTransactions(this.#job.abortedTransactions)
    const sources = this.#job.segments.filter(({ baseOffset }) => baseOffset < mapEndOffset)
    while (sources.length > 0) {
      const filter = this.#filter(mapEndOffset, transactions)
      this.#filters.push(filter)
      yield* this.#compactNext(sources, filter, mapEndOffset)
    }
    return this.#result(mapEndOffset)
  }

  #result(firstDirtyOffset: number): CompactionResult {
    const sum = (count: (filter: BatchFilter) => number): number =>
      this.#filters.reduce((total, filter) => total + count(filter), 0)
    return {
      firstDirtyOffset,
      mapReadBytes: this.#mapReadBytes,
      readBytes: this.#readBytes,
      writtenBytes: this.#writtenBytes,
      readRecordCount: sum(({ readRecordCount }) => readRecordCount),
      retainedRecordCount: sum(({ retainedRecordCount }) => retainedRecordCount),
      invalidRecordCount: sum(({ invalidRecordCount }) => invalidRecordCount),
      unreadBatchCount: sum(({ unreadBatchCount }) => unreadBatchCount),
      mapUtilization: this.#map.utilization,
    }
  }

  #filter(mapEndOffset: number, transactions: CleanedTransactions): BatchFilter {
    const { nowMs, deleteRetentionMs, endOffset } = this.#job
    const { codecs, crc32c } = this.#ports
    return new BatchFilter({
      map: this.#map,
      mapEndOffset,
      nowMs,
      deleteRetentionMs,
      producers: this.#producers,
      roundEndOffset: endOffset,
      transactions,
      codecs,
      crc32c,
    })
  }

  /** The offset that the map reaches to: the end, or that of the first record that did not fit. */
  *#buildMap(): DiskTask<number> {
    const { segments, firstDirtyOffset, endOffset, abortedTransactions } = this.#job
    const transactions = new CleanedTransactions(abortedTransactions)
    let mapEndOffset: number | undefined
    for (const segment of segments) {
      if (segment.endOffset <= firstDirtyOffset) continue
      this.#mapReadBytes += segment.sizeBytes
      yield* this.#scan(segment, '.log', (batch) => {
        mapEndOffset = this.#mapBatch(batch, transactions)
        return mapEndOffset === undefined ? 'continue' : 'stop'
      })
      if (mapEndOffset !== undefined) return mapEndOffset
    }
    return endOffset
  }

  /** The offset of the first record that did not fit into the map, if any. */
  #mapBatch({ header, bytes }: ScannedBatch, transactions: CleanedTransactions) {
    const { firstDirtyOffset } = this.#job
    const records = openRecords(bytes, header, this.#ports.codecs)
    if (header.isControl) {
      transactions.isMarkerOfNothing(header, markerOf(records, header))
      return undefined
    }
    if (transactions.isAborted(header) || records === undefined) return undefined
    let endOffset: number | undefined
    visitRecords(records, header, (record, offset) => {
      if (!record.hasKey || offset < firstDirtyOffset) return true
      if (this.#map.put(record.bytes, record.keyStart, record.keyBytes, offset)) return true
      endOffset = offset
      return false
    })
    return endOffset
  }

  /** Takes sources from the front, as many as fit into one segment, and offers that in their place. */
  *#compactNext(
    sources: CompactionSegment[],
    filter: BatchFilter,
    mapEndOffset: number,
  ): DiskTask<void> {
    const { disk, onSegment } = this.#ports
    const baseOffset = sources[0]?.baseOffset ?? 0
    const sourceCount = sources.length
    let isKept = false
    let endOffset = baseOffset
    try {
      endOffset = yield* this.#writeCompacted(sources, filter, mapEndOffset)
      yield* perform<void>((done) => disk.syncDirectory(this.#job.directory, done))
      // Nothing was removed, and nothing is merged: the source is as good.
      isKept = filter.hasChanged || sourceCount - sources.length > 1
    } finally {
      if (!isKept) yield* this.#removeCleaned(baseOffset)
    }
    if (isKept) yield* perform<void>((done) => onSegment({ baseOffset, endOffset }, done))
  }

  /** Returns the end offset of the segment that was written. */
  *#writeCompacted(
    sources: CompactionSegment[],
    filter: BatchFilter,
    mapEndOffset: number,
  ): DiskTask<number> {
    const { directory, segmentBytes, segmentIndexBytes } = this.#job
    const { disk } = this.#ports
    const [first] = sources
    invariant(first !== undefined, 'there is a source')
    const path = segmentPath(directory, first.baseOffset, LOG_CLEANED)
    const file = yield* perform<DiskFile>((done) => disk.open(path, 'create', done))
    try {
      yield* perform<void>((done) => file.truncate(0, done))
      const target = this.#target(file, first)
      const limits = { segmentBytes, indexBytes: segmentIndexBytes }
      let source = sources.shift()
      while (source !== undefined) {
        yield* this.#copy(source, target, filter)
        const [next] = sources
        const { baseOffset, sizeBytes, indexBytesMax: indexBytes } = target
        const joins =
          next !== undefined && mayJoin({ baseOffset, sizeBytes, indexBytes }, next, limits)
        source = joins ? sources.shift() : undefined
      }
      yield* perform<void>((done) => file.datasync(done))
      yield* this.#verify(target, filter, mapEndOffset)
      yield* target.writeIndexTo(INDEX_CLEANED)
      return target.nextOffset
    } finally {
      yield* perform<void>((done) => file.close(done))
    }
  }

  #target(file: DiskFile, { baseOffset, createdMs }: CompactionSegment): Segment {
    const { directory, indexIntervalBytes } = this.#job
    return new Segment({
      disk: this.#ports.disk,
      crc32c: this.#ports.crc32c,
      directory,
      file,
      summary: emptySummary(baseOffset, createdMs),
      index: new SegmentIndex(baseOffset),
      indexCache: new IndexCache({ budgetBytes: 0 }),
      stored: undefined,
      indexIntervalBytes,
      isCompacted: true,
    })
  }

  /** What it cannot remove, the next opening of the log does. */
  *#removeCleaned(baseOffset: number): DiskTask<void> {
    const { disk } = this.#ports
    for (const suffix of [INDEX_CLEANED, LOG_CLEANED]) {
      const path = segmentPath(this.#job.directory, baseOffset, suffix)
      yield* perform<void>((done) =>
        disk.removeFile(path, () => done({ ok: true, value: undefined })),
      )
    }
  }

  /** Appends what is left of a segment to the one that takes its place. */
  *#copy(source: CompactionSegment, target: Segment, filter: BatchFilter): DiskTask<void> {
    this.#readBytes += source.sizeBytes
    const retained: Uint8Array[] = []
    const keep = ({ header, bytes }: ScannedBatch): ScanVerdict => {
      const kept = filter.retain(bytes, header)
      if (kept !== undefined) retained.push(kept)
      return 'continue'
    }
    yield* this.#scan(source, '.log', keep, () => this.#append(target, retained.splice(0)))
    target.mergedWith(source)
  }

  *#append(target: Segment, batches: readonly Uint8Array[]): DiskTask<void> {
    if (batches.length === 0) return
    const position = target.sizeBytes
    yield* perform<void>((done) => target.file.write(position, batches, done))
    for (const batch of batches) {
      const header = headerAt(batch, 0)
      invariant(typeof header !== 'string', 'what is written are batches')
      target.batchWritten(header, batch)
      this.#writtenBytes += header.sizeBytes
    }
  }

  /**
   * Reads back what was written: every batch whole and in order, and every key that the map puts into
   * this range with its latest record, except for the tombstones whose time was over.
   */
  *#verify(target: Segment, filter: BatchFilter, mapEndOffset: number): DiskTask<void> {
    const found = new OffsetDigest()
    let recordCount = 0
    const note = ({ header, bytes }: ScannedBatch): ScanVerdict => {
      recordCount += header.recordCount
      if (!header.isControl && header.baseOffset < mapEndOffset)
        this.#noteLatest(bytes, header, found)
      return 'continue'
    }
    const { baseOffset, nextOffset: endOffset, sizeBytes } = target
    const written = { baseOffset, endOffset, sizeBytes, isCompacted: true }
    yield* this.#scan(written, LOG_CLEANED, note)
    const latest = this.#map.digest({ fromOffset: baseOffset, endOffset })
    const foundCount = found.count
    found.addAll(filter.expiredTombstones)
    if (found.equals(latest) && recordCount === filter.retainedRecordCount) return
    const message =
      `${this.#job.directory}: the compacted segment ${baseOffset} holds ${recordCount} ` +
      `records where ${filter.retainedRecordCount} were to stay, and the latest record of ` +
      `${foundCount} keys, not of ${latest.count}`
    throw new StorageError(message, { code: COMPACTION_MISMATCH })
  }

  #noteLatest(batch: Uint8Array, header: BatchHeader, found: OffsetDigest): void {
    const records = openRecords(batch, header, this.#ports.codecs)
    if (records === undefined) return
    visitRecords(records, header, ({ hasKey, bytes, keyStart, keyBytes }, offset) => {
      if (hasKey && this.#map.get(bytes, keyStart, keyBytes) === offset) found.add(offset)
      return true
    })
  }

  *#scan(
    segment: SegmentRange & { readonly sizeBytes: number; readonly isCompacted: boolean },
    suffix: string,
    visit: (batch: ScannedBatch) => ScanVerdict,
    afterBuffer?: () => DiskTask<void>,
  ): DiskTask<void> {
    const { directory, bufferBytes } = this.#job
    const { disk, crc32c } = this.#ports
    const { baseOffset, sizeBytes, isCompacted } = segment
    const path = segmentPath(directory, baseOffset, suffix)
    const file = yield* perform<DiskFile>((done) => disk.open(path, 'existing', done))
    try {
      const range = {
        fromPosition: 0,
        fromOffset: baseOffset,
        endPosition: sizeBytes,
        isCompacted,
        bufferBytes,
      }
      const end = yield* scanBatches(file, range, crc32c, visit, afterBuffer)
      const passes = end.nextOffset > segment.endOffset ? 'its batches pass its end' : undefined
      const problem = end.problem ?? passes
      if (problem !== undefined) throw corruptLog(`${path}: at byte ${end.position}: ${problem}`)
    } finally {
      yield* perform<void>((done) => file.close(done))
    }
  }
}
