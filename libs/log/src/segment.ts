import { DecodeError, invariant } from '@fairlead/base'
import { type BatchHeader, type Crc32c, combineCrc32c, wholeBatchCrc } from '@fairlead/protocol'
import { type Disk, type DiskFile, corruptLog } from './disk.ts'
import { type DiskTask, perform, readFileIfExists } from './disk-task.ts'
import type { IndexCache } from './index-cache.ts'
import { INDEX_SLOT_BYTES, decodeIndex } from './index-file.ts'
import { IndexWriter, type StoredSlots, writeWholeIndex } from './index-writer.ts'
import { type IndexEnd, SegmentIndex } from './segment-index.ts'
import { mayFollow, scanBatches } from './segment-scan.ts'

const OFFSET_DIGITS = 20
/** Enough for most first batches; a larger one is read whole. */
const FIRST_BATCH_BYTES = 4096
const SEGMENT_NAME = /^(\d{20})\.log$/
const REWRITE_BYTES = 1_048_576

export function segmentPath(directory: string, baseOffset: number, suffix: string): string {
  return `${directory}/${String(baseOffset).padStart(OFFSET_DIGITS, '0')}${suffix}`
}

/** Of the files of a directory, those of a segment: its index first, which means nothing without it. */
export function segmentFiles(baseOffset: number, names: readonly string[]): readonly string[] {
  const own = ['.idx', '.log'].map((suffix) => segmentPath('', baseOffset, suffix).slice(1))
  return own.filter((name) => names.includes(name))
}

/** Base offset of a segment file, or undefined for any other file. */
export function segmentBaseOffset(fileName: string): number | undefined {
  const digits = SEGMENT_NAME.exec(fileName)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** What is known of a segment without reading its batches. */
export type SegmentSummary = {
  readonly baseOffset: number
  /** The offset after the last batch. */
  readonly nextOffset: number
  /** A batch ends there. */
  readonly sizeBytes: number
  /** -1 for a segment without timestamps. */
  readonly maxTimestampMs: number
  /** Wall clock of the first append. */
  readonly createdMs: number
}

/** A place between two batches at the end of a segment, at some moment. */
export type SegmentEnd = Pick<SegmentSummary, 'nextOffset' | 'sizeBytes'> & {
  readonly index: IndexEnd
}

/** The end of a segment that may stand in the page cache only. */
export type UnsureTail = {
  /** Where it begins in the file. */
  readonly position: number
  /** CRC32C of all its bytes, as they were found. */
  readonly crc: number
}

export type SegmentOptions = {
  readonly disk: Disk
  readonly directory: string
  readonly crc32c: Crc32c
  readonly indexCache: IndexCache
  readonly file: DiskFile
  readonly summary: SegmentSummary
  /** Read when it is needed, for a closed segment, when left out. */
  readonly index: SegmentIndex | undefined
  /** What the index file holds; undefined when it is to be written anew. */
  readonly stored: StoredSlots | undefined
  readonly indexIntervalBytes: number
  /** Whether batches may be missing. */
  readonly isCompacted: boolean
}

/**
 * One file of a partition log, Kafka's record batches as they are, and the index beside it.
 *
 * The file stays open from recovery to `release`: one descriptor per segment, and one for the index
 * of the segment that takes the appends. Reads under way hold it, so that retention never closes a
 * descriptor that a read uses.
 *
 * Invariants: batches are contiguous from `baseOffset` to `nextOffset`, unless the segment was
 * compacted: then they are in order, and some are missing; the first `sizeBytes` bytes are whole
 * batches; the index of the segment that takes the appends is in memory.
 */
export class Segment {
  readonly baseOffset: number
  readonly file: DiskFile
  readonly isCompacted: boolean
  readonly #options: SegmentOptions
  readonly #indexWriter: IndexWriter
  #index: SegmentIndex | undefined
  #summary: SegmentSummary
  #isClosed: boolean
  #firstTimestampMs: number | undefined
  #unsure: UnsureTail | undefined
  #readers = 0
  #onIdle: (() => void) | undefined

  constructor(options: SegmentOptions) {
    const { summary, file, isCompacted, index, indexIntervalBytes, stored } = options
    const { disk, crc32c } = options
    this.#options = options
    this.baseOffset = summary.baseOffset
    this.file = file
    this.isCompacted = isCompacted
    this.#summary = summary
    this.#index = index
    this.#isClosed = index === undefined
    index?.reopen(indexIntervalBytes)
    this.#indexWriter = new IndexWriter({
      disk,
      crc32c,
      path: this.#indexPath('.idx'),
      stored: stored && { ...stored, count: Math.min(stored.count, index?.count ?? 0) },
    })
  }

  get sizeBytes(): number {
    return this.#summary.sizeBytes
  }

  get nextOffset(): number {
    return this.#summary.nextOffset
  }

  /** What tells its bytes from those of another segment of this base offset. */
  get place(): { readonly baseOffset: number; sizeBytes: number; isCompacted: boolean } {
    const { baseOffset, sizeBytes, isCompacted } = this
    return { baseOffset, sizeBytes, isCompacted }
  }

  get maxTimestampMs(): number {
    return this.#summary.maxTimestampMs
  }

  get createdMs(): number {
    return this.#summary.createdMs
  }

  /** What the index file has at most: its intervals are not shorter than was configured. */
  get indexBytesMax(): number {
    const intervalBytes = Math.max(1, this.#options.indexIntervalBytes)
    return INDEX_SLOT_BYTES * (2 + Math.floor(this.sizeBytes / intervalBytes))
  }

  /** Of the segment that takes the appends: where it ends now. */
  get end(): SegmentEnd {
    const { nextOffset, sizeBytes } = this.#summary
    return { nextOffset, sizeBytes, index: this.#growing().end }
  }

  /**
   * Takes note of a batch that stands at the end of the file. A segment is as old as its first batch:
   * `appendedMs` is the wall clock of the append, left out when a batch is read back.
   */
  batchWritten(header: BatchHeader, bytes: Uint8Array, appendedMs: number = this.createdMs): void {
    invariant(mayFollow(header, this.nextOffset, this.isCompacted), 'batches follow each other')
    const { sizeBytes, maxTimestampMs, createdMs } = this.#summary
    const nextOffset = header.baseOffset + header.lastOffsetDelta + 1
    const crc = wholeBatchCrc(bytes, header)
    this.#growing().addBatch(
      { nextOffset, sizeBytes: header.sizeBytes, crc, maxTimestampMs: header.maxTimestampMs },
      this.#options.indexIntervalBytes,
    )
    this.#summary = {
      ...this.#summary,
      nextOffset,
      sizeBytes: sizeBytes + header.sizeBytes,
      maxTimestampMs: Math.max(maxTimestampMs, header.maxTimestampMs),
      createdMs: sizeBytes === 0 ? appendedMs : createdMs,
    }
  }

  /** The last batches of a compacted segment may be missing: its successor says where it ends. */
  endAt(nextOffset: number): void {
    invariant(this.isCompacted && nextOffset >= this.nextOffset, 'only what is missing is added')
    this.#summary = { ...this.#summary, nextOffset }
  }

  /** A compacted segment is as old as the newest of its sources: retention counts from there. */
  mergedWith(source: { readonly endOffset: number; readonly createdMs: number }): void {
    this.endAt(source.endOffset)
    const createdMs = Math.max(this.createdMs, source.createdMs)
    this.#summary = { ...this.#summary, createdMs }
  }

  /** The index; of a closed segment it is read, or made anew from the batches, when it is needed. */
  *index(): DiskTask<SegmentIndex> {
    const index = this.#index ?? (yield* this.#readIndex()) ?? (yield* this.#rebuildIndex())
    if (this.#isClosed) {
      this.#index = index
      this.#options.indexCache.used(this, index.memoryBytes)
    }
    return index
  }

  /** Only for the cache. */
  dropIndex(): void {
    invariant(this.#isClosed, 'the index of the active segment stays in memory')
    this.#index = undefined
  }

  /** Whether bytes at the end may stand in the page cache only, and no sync would change that; see `trust`. */
  get hasUnsureTail(): boolean {
    return this.#unsure !== undefined
  }

  /**
   * Nothing is known to be durable from the start of `tail` on. When the process before this one ended
   * because a sync failed, the kernel takes its pages for clean: a sync alone would succeed and make nothing
   * durable.
   */
  doubt(tail: UnsureTail): void {
    this.#unsure = tail
  }

  /**
   * Writes the unsure tail again where it stands, and syncs it. Until that has succeeded nothing may
   * claim it: no index, no checkpoint, no next segment. It stays unsure until `trust`.
   *
   * @throws {StorageError} also when the disk is full: a file system that copies on write needs room for
   * what is there already. `LOG_CORRUPT` when it is not what was found: the kernel may forget pages that
   * it takes for clean, and read what the disk has instead.
   */
  *rewriteTail(): DiskTask<void> {
    const unsure = this.#unsure
    if (unsure === undefined) return
    const { file, sizeBytes } = this
    const { crc32c } = this.#options
    let crc = 0
    for (let position = unsure.position; position < sizeBytes; position += REWRITE_BYTES) {
      const start = position
      const bytes = new Uint8Array(Math.min(REWRITE_BYTES, sizeBytes - start))
      yield* perform<number>((done) => file.read(start, bytes, done))
      crc = combineCrc32c(crc, crc32c(bytes), bytes.length)
      yield* perform<void>((done) => file.write(start, [bytes], done))
    }
    if (crc !== unsure.crc) {
      const path = this.#indexPath('.log')
      throw corruptLog(
        `${path}: from byte ${unsure.position} on it is not what was found at the start`,
      )
    }
    yield* perform<void>((done) => file.datasync(done))
  }

  /** The tail is durable, and whatever has to say so before anybody hears of it does. */
  trust(): void {
    this.#unsure = undefined
  }

  /** Whether the index has a place for what is appended next; see `IndexWriter`. */
  get hasIndexPlace(): boolean {
    return this.#indexWriter.hasPlace
  }

  /** Makes it; all of the segment is durable. */
  *reserveIndex(): DiskTask<void> {
    yield* this.#indexWriter.reserve(this.#summary, this.#growing(), this.end.index)
  }

  /** Writes the index up to `end`, which is durable; see `IndexWriter`. */
  *writeIndex(end: SegmentEnd): DiskTask<void> {
    yield* this.#indexWriter.write(this.#summary, this.#growing(), end.index)
  }

  *syncIndex(): DiskTask<void> {
    yield* this.#indexWriter.sync()
  }

  /** Makes the index up to `end` durable. The segment may go on: a roll can fail after this. */
  *finishIndex(end: SegmentEnd): DiskTask<void> {
    yield* this.#indexWriter.finish(this.#summary, this.#growing(), end.index)
  }

  /** Nothing is appended any more: the index, which is finished, may be forgotten. */
  *close(): DiskTask<void> {
    yield* this.#indexWriter.close()
    this.#isClosed = true
    this.#options.indexCache.used(this, this.#index?.memoryBytes ?? 0)
  }

  /** Writes the whole index into another file, and syncs it: that of a compacted segment. */
  *writeIndexTo(suffix: string): DiskTask<void> {
    const { disk, crc32c } = this.#options
    const path = this.#indexPath(suffix)
    yield* writeWholeIndex({ disk, crc32c, path }, this.#summary, this.#growing())
  }

  /** Greatest timestamp of the first batch; -1 for a segment without batches. Read once. */
  *firstTimestampMs(): DiskTask<number> {
    if (this.#firstTimestampMs === undefined && this.sizeBytes > 0) {
      const range = { ...this.#wholeRange(), bufferBytes: FIRST_BATCH_BYTES }
      yield* scanBatches(this.file, range, undefined, ({ header }) => {
        this.#firstTimestampMs = header.maxTimestampMs
        return 'stop'
      })
    }
    return this.#firstTimestampMs ?? -1
  }

  /** Keeps the file open until the returned function is called. */
  hold(): () => void {
    this.#readers += 1
    let isHeld = true
    return () => {
      invariant(isHeld, 'a hold ends once')
      isHeld = false
      this.#readers -= 1
      if (this.#readers === 0) this.#onIdle?.()
    }
  }

  /** Closes the files once no read uses them. Nobody may start a read after this. */
  *release(): DiskTask<void> {
    if (this.#readers > 0) {
      yield* perform<void>((done) => {
        this.#onIdle = () => done({ ok: true, value: undefined })
      })
    }
    this.#options.indexCache.forget(this)
    yield* this.#indexWriter.close()
    yield* perform<void>((done) => this.file.close(done))
  }

  #growing(): SegmentIndex {
    invariant(this.#index !== undefined && !this.#isClosed, 'the segment takes appends')
    return this.#index
  }

  #indexPath(suffix: string): string {
    return segmentPath(this.#options.directory, this.#options.summary.baseOffset, suffix)
  }

  #wholeRange() {
    const { baseOffset, sizeBytes, isCompacted } = this
    return { fromPosition: 0, fromOffset: baseOffset, endPosition: sizeBytes, isCompacted }
  }

  *#readIndex(): DiskTask<SegmentIndex | undefined> {
    const { disk, crc32c } = this.#options
    const bytes = yield* readFileIfExists(disk, this.#indexPath('.idx'))
    try {
      const stored = bytes && decodeIndex(bytes, this.baseOffset, crc32c)
      const end = stored?.index.last?.endPosition ?? 0
      return stored?.isWhole === true && end === this.sizeBytes ? stored.index : undefined
    } catch (error) {
      if (error instanceof DecodeError) return undefined
      throw error
    }
  }

  *#rebuildIndex(): DiskTask<SegmentIndex> {
    const { crc32c, indexIntervalBytes } = this.#options
    const index = new SegmentIndex(this.baseOffset)
    const range = this.#wholeRange()
    const end = yield* scanBatches(this.file, range, crc32c, ({ header, bytes }) => {
      const nextOffset = header.baseOffset + header.lastOffsetDelta + 1
      const crc = wholeBatchCrc(bytes, header)
      index.addBatch({ ...header, nextOffset, crc }, indexIntervalBytes)
      return 'continue'
    })
    if (end.problem !== undefined) {
      throw corruptLog(`${this.#indexPath('.log')}: at byte ${end.position}: ${end.problem}`)
    }
    return index
  }
}

/**
 * Creates an empty segment. Its name survives a crash: the directory is synced before it returns. When
 * that fails the name may survive all the same, now or after a removal: it stays, to be tried again.
 */
export function* createSegment(
  options: Pick<
    SegmentOptions,
    'disk' | 'directory' | 'crc32c' | 'indexCache' | 'indexIntervalBytes'
  > & { readonly baseOffset: number; readonly nowMs: number },
): DiskTask<Segment> {
  const { disk, directory, baseOffset, nowMs } = options
  const path = segmentPath(directory, baseOffset, '.log')
  const file = yield* perform<DiskFile>((done) => disk.open(path, 'create', done))
  try {
    yield* perform<void>((done) => disk.syncDirectory(directory, done))
  } catch (error) {
    yield* perform<void>((done) => file.close(done))
    throw error
  }
  return new Segment({
    ...options,
    file,
    summary: emptySummary(baseOffset, nowMs),
    index: new SegmentIndex(baseOffset),
    stored: undefined,
    isCompacted: false,
  })
}

export function emptySummary(baseOffset: number, createdMs: number): SegmentSummary {
  return { baseOffset, nextOffset: baseOffset, sizeBytes: 0, maxTimestampMs: -1, createdMs }
}
