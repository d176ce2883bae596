import { type Crc32c, combineCrc32c, wholeBatchCrc } from '@fairlead/protocol'
import type { SegmentRange } from '../checkpoints.ts'
import { type Disk, type DiskFile, StorageError } from '../disk.ts'
import { type DiskTask, perform } from '../disk-task.ts'
import { readStoredIndex } from '../open-segment.ts'
import { segmentPath } from '../segment.ts'
import { SegmentIndex } from '../segment-index.ts'
import { type ScanVerdict, type ScannedBatch, scanBatches } from '../segment-scan.ts'

type ScrubbedSegment = SegmentRange & {
  /** Durable ones: what is behind them may still change. */
  readonly sizeBytes: number
  readonly isCompacted: boolean
}

/** Plain data, so that it can be handed to another thread. */
export type ScrubJob = {
  readonly directory: string
  readonly segments: readonly ScrubbedSegment[]
  readonly bufferBytes: number
}

/** Offsets that cannot be read any more as they were written: whole intervals of a segment's index. */
export type DamagedRange = {
  readonly segment: ScrubbedSegment
  readonly fromOffset: number
  readonly endOffset: number
  /** Where the damage shows, in the file. */
  readonly position: number
  readonly problem: string
}

export type ScrubPorts = {
  readonly disk: Disk
  readonly crc32c: Crc32c
  readonly onDamage: (damaged: DamagedRange) => void
}

/**
 * Reads old bytes again, so that a disk that forgets is noticed before they are needed: the checksum
 * of every batch, and of every interval of the index, which covers the heads of the batches, too. Goes
 * on behind what is damaged, at the next interval. Changes nothing.
 *
 * Returns how many bytes it read.
 *
 * @throws {StorageError} what the disk answers, unless it is that it cannot read these bytes.
 */
export function* scrubLog(job: ScrubJob, ports: ScrubPorts): DiskTask<number> {
  let readBytes = 0
  for (const segment of job.segments) {
    yield* scrubSegment(job, segment, ports)
    readBytes += segment.sizeBytes
  }
  return readBytes
}

function* scrubSegment(job: ScrubJob, segment: ScrubbedSegment, ports: ScrubPorts): DiskTask<void> {
  const { disk, crc32c, onDamage } = ports
  const { directory, bufferBytes } = job
  const { baseOffset, endOffset, sizeBytes, isCompacted } = segment
  const path = segmentPath(directory, baseOffset, '.log')
  const file = yield* perform<DiskFile>((done) => disk.open(path, 'existing', done))
  try {
    const stored = yield* readStoredIndex({ disk, directory, crc32c }, baseOffset)
    const index = stored?.index ?? new SegmentIndex(baseOffset)
    const knownCount = index.countUpTo(sizeBytes)
    let next = 0
    let start = index.startOf(0)
    while (start.position < sizeBytes) {
      const checksums = new IntervalChecksums(index, next, knownCount)
      const range = {
        fromPosition: start.position,
        fromOffset: start.offset,
        endPosition: sizeBytes,
        isCompacted,
        bufferBytes,
      }
      const end = yield* unlessUnreadable(range.fromPosition, () =>
        scanBatches(file, range, crc32c, (batch) => checksums.check(batch)),
      )
      const problem = end.problem ?? endProblem(segment, end.nextOffset)
      if (problem === undefined) return
      // A damaged head may show only at the end of its interval: all of it is in doubt.
      const damaged = Math.min(index.countUpTo(end.position), knownCount)
      next = damaged + 1
      const isLast = next >= knownCount
      const from = index.startOf(damaged)
      start = isLast ? { position: sizeBytes, offset: endOffset } : index.startOf(next)
      onDamage({
        segment,
        fromOffset: from.offset,
        endOffset: start.offset,
        position: end.position,
        problem,
      })
    }
  } finally {
    yield* perform<void>((done) => file.close(done))
  }
}

function endProblem({ endOffset, isCompacted }: ScrubbedSegment, nextOffset: number) {
  if (isCompacted ? nextOffset <= endOffset : nextOffset === endOffset) return undefined
  return `the batches end at offset ${nextOffset}, not at ${endOffset}`
}

/** A disk that cannot read these bytes has damaged them; other errors are not about them. */
function* unlessUnreadable<Value extends { readonly problem: string | undefined }>(
  position: number,
  read: () => DiskTask<Value>,
): DiskTask<Value | { position: number; nextOffset: number; problem: string }> {
  try {
    return yield* read()
  } catch (error) {
    if (!(error instanceof StorageError && error.code === 'EIO')) throw error
    return { position, nextOffset: 0, problem: error.message }
  }
}

/** Compares the bytes between two batches that the index knows of with what it says of them. */
class IntervalChecksums {
  readonly #index: SegmentIndex
  readonly #knownCount: number
  #next: number
  #crc = 0

  constructor(index: SegmentIndex, next: number, knownCount: number) {
    this.#index = index
    this.#next = next
    this.#knownCount = knownCount
  }

  check({ header, bytes, position }: ScannedBatch): ScanVerdict {
    if (this.#next >= this.#knownCount) return 'continue'
    this.#crc = combineCrc32c(this.#crc, wholeBatchCrc(bytes, header), header.sizeBytes)
    const { endPosition, crc } = this.#index.at(this.#next)
    const batchEnd = position + header.sizeBytes
    if (batchEnd < endPosition) return 'continue'
    if (batchEnd > endPosition) return { problem: 'no batch ends where the index says' }
    if (this.#crc >>> 0 !== crc >>> 0) return { problem: 'the checksum of the bytes is another' }
    this.#next += 1
    this.#crc = 0
    return 'continue'
  }
}
