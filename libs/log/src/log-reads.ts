import { type BufferPool, invariant, offset } from '@fairlead/base'
import type { Crc32c } from '@fairlead/protocol'
import type { StorageError } from './disk.ts'
import { type DiskTask, runTask } from './disk-task.ts'
import { type FindRecord, findRecord as findInBatch } from './find-record.ts'
import { type Lifecycle, type Unavailable, unavailable } from './lifecycle.ts'
import type { LogFiles } from './log-files.ts'
import type { FoundOffset, ReadRequest, ReadResult, TimestampLookup } from './outcomes.ts'
import type { Quarantine } from './scrub/quarantine.ts'
import type { Segment } from './segment.ts'
import { type ReadBatches, type ReadRange, readSegment } from './segment-read.ts'
import type { HeldBatches, PartitionTail } from './tail-cache.ts'
import type { LookupRange } from './timestamp-lookup.ts'
import type { Watermarks } from './watermarks.ts'

export type LogReadsOptions = {
  readonly crc32c: Crc32c
  readonly findRecord: FindRecord | undefined
  readonly buffers: BufferPool
  readonly lifecycle: Lifecycle
  readonly watermarks: Watermarks
  readonly files: LogFiles
  readonly tail: PartitionTail
  readonly quarantine: Quarantine
  /** Up to where anything can be read, whoever reads. */
  readonly writtenOffset: () => number
  readonly onReadFailure: ((error: StorageError) => void) | undefined
}

/** What a read from the disk keeps in memory, of what it answers. */
const WASTE_RATIO_MAX = 2

/** For logs of which nobody opens compressed batches. */
const FIND_AT_ONCE: FindRecord = (query, done) => done(findInBatch(query, undefined))

/**
 * Reads and lookups: from the tail cache, or from the segments.
 *
 * Invariants: a segment that is being read stays open until the read ends, whatever happens to it
 * meanwhile; nothing at or above the high watermark is read unless the caller says how far.
 */
export class LogReads {
  readonly #options: LogReadsOptions

  constructor(options: LogReadsOptions) {
    this.#options = options
  }

  /** See `PartitionLog.read`. */
  read(request: ReadRequest, done: (result: ReadResult) => void): void {
    const { crc32c, files, lifecycle, tail, watermarks, writtenOffset } = this.#options
    const { fetchOffset, maxBytes, isHardLimit = false } = request
    const { logStartOffset } = files
    const { logEndOffset } = watermarks
    const upTo = Math.min(request.upTo ?? watermarks.highWatermark, writtenOffset())
    const closed = lifecycle.closedRefusal()
    if (closed !== undefined) {
      done(closed)
    } else if (fetchOffset < logStartOffset || fetchOffset > logEndOffset) {
      const message = `${fetchOffset} is not from ${logStartOffset} to ${logEndOffset}`
      done({ ok: false, errorCode: 'OFFSET_OUT_OF_RANGE', message })
    } else if (fetchOffset >= upTo) {
      tail.follow()
      done(nothingRead(fetchOffset))
    } else {
      const range = { fetchOffset, upTo, maxBytes, isHardLimit }
      const cached = tail.read(range)
      if (cached !== undefined) done(batchesRead(cached))
      else this.#readFromDisk({ ...range, crc32c }, done)
    }
  }

  /** Runs `find` over the segments as they are now. */
  lookUp(
    find: (segments: readonly Segment[], range: LookupRange) => DiskTask<FoundOffset | null>,
    done: (result: TimestampLookup) => void,
  ): void {
    const { files, lifecycle, watermarks } = this.#options
    const findRecord = this.#options.findRecord ?? FIND_AT_ONCE
    const closed = lifecycle.closedRefusal()
    if (closed !== undefined) {
      done(closed)
      return
    }
    const segments = [...files.segments]
    const releases = segments.map((segment) => segment.hold())
    const { logStartOffset } = files
    const { highWatermark } = watermarks
    const hasEnded = (): boolean => !lifecycle.isOpen
    runTask(find(segments, { logStartOffset, highWatermark, findRecord, hasEnded }), (result) => {
      for (const release of releases) release()
      const ended = lifecycle.closedRefusal()
      if (ended !== undefined) done(ended)
      else if (result.ok) done({ ok: true, found: result.value })
      else done(this.#readFailed(result.error))
    })
  }

  #readFromDisk(range: ReadRange, done: (result: ReadResult) => void): void {
    const { buffers, files, quarantine } = this.#options
    const segment = files.segments.findLast(({ baseOffset }) => baseOffset <= range.fetchOffset)
    invariant(segment !== undefined, 'a segment starts at or below the log start')
    const problem = quarantine.problemAt(range.fetchOffset)
    if (problem !== undefined) {
      done(unavailable('KAFKA_STORAGE_ERROR', problem))
      return
    }
    const upTo = quarantine.limit(range.fetchOffset, range.upTo)
    const closeSegment = segment.hold()
    const limited = { ...range, upTo }
    runTask<ReadBatches | undefined>(readSegment(segment, limited, buffers), (result) => {
      closeSegment()
      if (!result.ok) done(this.#readFailed(result.error))
      else if (result.value === undefined) this.#readBehind(segment, range, done)
      else {
        const { nextOffset } = result.value
        const bytes = withoutWaste(result.value.bytes, buffers)
        const heldBytes = bytes.buffer.byteLength
        const chunks = bytes.length === 0 ? [] : [bytes]
        done(batchesRead({ chunks, nextOffset, heldBytes, release: () => buffers.giveBack(bytes) }))
      }
    })
  }

  /** Compaction left nothing of the segment from the wanted offset on: what follows comes next. */
  #readBehind(segment: Segment, range: ReadRange, done: (result: ReadResult) => void): void {
    const fetchOffset = Math.max(segment.nextOffset, this.#options.files.logStartOffset)
    if (fetchOffset >= range.upTo) done(nothingRead(range.upTo))
    else this.#readFromDisk({ ...range, fetchOffset }, done)
  }

  #readFailed(error: StorageError): Unavailable<'KAFKA_STORAGE_ERROR'> {
    this.#options.onReadFailure?.(error)
    return unavailable('KAFKA_STORAGE_ERROR', error.message)
  }
}

/** A few batches in a large buffer are copied out of it: a slow reader holds it for long. */
function withoutWaste(bytes: Uint8Array, buffers: BufferPool): Uint8Array {
  if (bytes.length * WASTE_RATIO_MAX >= bytes.buffer.byteLength) return bytes
  const copy = buffers.take(bytes.length)
  copy.set(bytes)
  buffers.giveBack(bytes)
  return copy
}

function batchesRead({ chunks, nextOffset, heldBytes, release }: HeldBatches): ReadResult {
  const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  return { ok: true, chunks, sizeBytes, heldBytes, nextOffset: offset(nextOffset), release }
}

function nothingRead(nextOffset: number): ReadResult {
  return batchesRead({ chunks: [], nextOffset, heldBytes: 0, release: () => {} })
}
