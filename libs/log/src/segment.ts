import { invariant } from '@fairlead/base'
import type { BatchHeader, Crc32c } from '@fairlead/protocol'
import type { Disk, DiskFile } from './disk.ts'
import { type DiskTask, perform, writeNewFile } from './disk-task.ts'
import { OffsetIndex, type SegmentSummary, encodeIndex } from './offset-index.ts'
import { mayFollow, scanBatches } from './segment-scan.ts'

const OFFSET_DIGITS = 20
/** Enough for most first batches; a larger one is read whole. */
const FIRST_BATCH_BYTES = 4096
const SEGMENT_NAME = /^(\d{20})\.log$/

export function segmentPath(directory: string, baseOffset: number, suffix: string): string {
  return `${directory}/${String(baseOffset).padStart(OFFSET_DIGITS, '0')}${suffix}`
}

/** Base offset of a segment file, or undefined for any other file. */
export function segmentBaseOffset(fileName: string): number | undefined {
  const digits = SEGMENT_NAME.exec(fileName)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/**
 * One file of a partition log, Kafka's record batches as they are, and its sparse offset index.
 *
 * The file stays open from recovery to `release`: one descriptor per segment. Reads under way hold
 * it, so that retention never closes a descriptor that a read uses.
 *
 * Invariants: batches are contiguous from `baseOffset` to `nextOffset`, unless the segment was
 * compacted: then they are in order, and some are missing; the first `sizeBytes` bytes are whole
 * batches.
 */
export class Segment {
  readonly baseOffset: number
  readonly file: DiskFile
  readonly index: OffsetIndex
  /** Whether batches may be missing. */
  readonly isCompacted: boolean
  readonly #directory: string
  readonly #indexIntervalBytes: number
  #summary: SegmentSummary
  #firstTimestampMs: number | undefined
  #readers = 0
  #onIdle: (() => void) | undefined

  constructor(options: {
    readonly directory: string
    readonly file: DiskFile
    readonly summary: SegmentSummary
    readonly index: OffsetIndex
    readonly indexIntervalBytes: number
    readonly isCompacted: boolean
  }) {
    this.baseOffset = options.summary.baseOffset
    this.file = options.file
    this.index = options.index
    this.isCompacted = options.isCompacted
    this.#directory = options.directory
    this.#summary = options.summary
    this.#indexIntervalBytes = options.indexIntervalBytes
  }

  get sizeBytes(): number {
    return this.#summary.sizeBytes
  }

  get nextOffset(): number {
    return this.#summary.nextOffset
  }

  get maxTimestampMs(): number {
    return this.#summary.maxTimestampMs
  }

  get createdMs(): number {
    return this.#summary.createdMs
  }

  /**
   * Takes note of a batch that stands at the end of the file. A segment is as old as its first batch:
   * `appendedMs` is the wall clock of the append, left out when a batch is read back.
   */
  batchWritten(header: BatchHeader, appendedMs: number = this.createdMs): void {
    invariant(mayFollow(header, this.nextOffset, this.isCompacted), 'batches follow each other')
    const { sizeBytes, maxTimestampMs, createdMs } = this.#summary
    if (sizeBytes - this.index.lastPosition >= this.#indexIntervalBytes) {
      this.index.add(header.baseOffset, sizeBytes)
    }
    this.#summary = {
      ...this.#summary,
      nextOffset: header.baseOffset + header.lastOffsetDelta + 1,
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

  /** The segment up to a batch boundary, as it is written to its index file. */
  summaryUpTo(end: { readonly nextOffset: number; readonly sizeBytes: number }): SegmentSummary {
    invariant(end.sizeBytes <= this.sizeBytes, 'a summary covers what is written')
    return { ...this.#summary, nextOffset: end.nextOffset, sizeBytes: end.sizeBytes }
  }

  /** Greatest timestamp of the first batch; -1 for a segment without batches. Read once. */
  *firstTimestampMs(): DiskTask<number> {
    if (this.#firstTimestampMs === undefined && this.sizeBytes > 0) {
      const first = { fromPosition: 0, fromOffset: this.baseOffset, endPosition: this.sizeBytes }
      const range = { ...first, isCompacted: this.isCompacted, bufferBytes: FIRST_BATCH_BYTES }
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

  /** Closes the file once no read uses it. Nobody may start a read after this. */
  *release(): DiskTask<void> {
    if (this.#readers > 0) {
      yield* perform<void>((done) => {
        this.#onIdle = () => done({ ok: true, value: undefined })
      })
    }
    yield* perform<void>((done) => this.file.close(done))
  }

  /** Writes the index file for the segment up to `end`. A damaged one is rebuilt at opening. */
  *writeIndex(
    disk: Disk,
    end: { readonly nextOffset: number; readonly sizeBytes: number },
    crc32c: Crc32c,
    suffix = '.idx',
  ): DiskTask<void> {
    const bytes = encodeIndex(this.summaryUpTo(end), this.index, crc32c)
    yield* writeNewFile(disk, segmentPath(this.#directory, this.baseOffset, suffix), bytes)
  }
}

/** Creates an empty segment. Its name survives a crash: the directory is synced before it returns. */
export function* createSegment(options: {
  readonly disk: Disk
  readonly directory: string
  readonly baseOffset: number
  readonly nowMs: number
  readonly indexIntervalBytes: number
}): DiskTask<Segment> {
  const { disk, directory, baseOffset, nowMs, indexIntervalBytes } = options
  const path = segmentPath(directory, baseOffset, '.log')
  const file = yield* perform<DiskFile>((done) => disk.open(path, 'create', done))
  yield* perform<void>((done) => disk.syncDirectory(directory, done))
  const summary = emptySummary(baseOffset, nowMs)
  const index = new OffsetIndex()
  return new Segment({ directory, file, summary, index, indexIntervalBytes, isCompacted: false })
}

export function emptySummary(baseOffset: number, createdMs: number): SegmentSummary {
  return { baseOffset, nextOffset: baseOffset, sizeBytes: 0, maxTimestampMs: -1, createdMs }
}
