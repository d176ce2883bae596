import { DecodeError } from '@fairlead/base'
import type { Crc32c } from '@fairlead/protocol'
import type { Disk, DiskFile } from './disk.ts'
import { type DiskTask, perform, readFileIfExists } from './disk-task.ts'
import type { IndexCache } from './index-cache.ts'
import {
  INDEX_SLOT_BYTES,
  type IndexHead,
  type StoredIndex,
  decodeIndex,
  decodeIndexHead,
  decodeInterval,
} from './index-file.ts'
import { Segment, type SegmentSummary, emptySummary, segmentPath } from './segment.ts'
import { type Interval, SegmentIndex } from './segment-index.ts'

export type SegmentPlace = {
  readonly disk: Disk
  readonly directory: string
  readonly crc32c: Crc32c
  readonly nowMs: number
  readonly indexIntervalBytes: number
  readonly indexCache: IndexCache
  /** Whatever is opened is noted here, to be closed when opening the log fails. */
  readonly openFiles: DiskFile[]
}

/** The file of a segment, not yet looked into. */
export type SegmentFile = {
  readonly baseOffset: number
  readonly path: string
  readonly file: DiskFile
  readonly sizeBytes: number
}

export function* openSegmentFile(place: SegmentPlace, baseOffset: number): DiskTask<SegmentFile> {
  const { disk, directory, openFiles } = place
  const path = segmentPath(directory, baseOffset, '.log')
  const sizeBytes = yield* perform<number>((done) => disk.fileSizeBytes(path, done))
  const file = yield* perform<DiskFile>((done) => disk.open(path, 'existing', done))
  openFiles.push(file)
  return { baseOffset, path, file, sizeBytes }
}

/** A segment of which nothing is known but its file: its batches are to be scanned. */
export function unknownSegment(
  place: SegmentPlace,
  { baseOffset, file }: SegmentFile,
  isCompacted: boolean,
): Segment {
  return new Segment({
    ...place,
    file,
    summary: emptySummary(baseOffset, place.nowMs),
    index: new SegmentIndex(baseOffset),
    stored: undefined,
    isCompacted,
  })
}

/** The segment as its index file describes the first `count` intervals. */
export function knownSegment(
  place: SegmentPlace,
  { file }: SegmentFile,
  { baseOffset, createdMs, index, slotCount }: StoredIndex,
  count: number,
): Segment {
  const kept = index
  kept.cut(count)
  const summary = summaryOf({ baseOffset, createdMs }, kept.last)
  return new Segment({
    ...place,
    file,
    summary,
    index: kept,
    stored: { count, slotCount },
    isCompacted: false,
  })
}

/** A closed segment by the end of its index file alone, or undefined when that is not to be had. */
export function* closedSegment(
  place: SegmentPlace,
  { baseOffset, file, sizeBytes }: SegmentFile,
  isCompacted: boolean,
): DiskTask<Segment | undefined> {
  const stored = yield* readIndexEnd(place, baseOffset)
  if (stored === undefined || (stored.last?.endPosition ?? 0) !== sizeBytes) return undefined
  const summary = summaryOf(stored.head, stored.last)
  return new Segment({ ...place, file, summary, index: undefined, stored: undefined, isCompacted })
}

/** Undefined when there is none, or its head is damaged. */
export function* readStoredIndex(
  { disk, directory, crc32c }: Pick<SegmentPlace, 'disk' | 'directory' | 'crc32c'>,
  baseOffset: number,
): DiskTask<StoredIndex | undefined> {
  const bytes = yield* readFileIfExists(disk, segmentPath(directory, baseOffset, '.idx'))
  return bytes === undefined
    ? undefined
    : unlessDamaged(() => decodeIndex(bytes, baseOffset, crc32c))
}

type IndexEnds = { readonly head: IndexHead; readonly last: Interval | undefined }

/** Head and last interval: the file may be large, and there may be many. */
function* readIndexEnd(
  { disk, directory, crc32c }: SegmentPlace,
  baseOffset: number,
): DiskTask<IndexEnds | undefined> {
  const path = segmentPath(directory, baseOffset, '.idx')
  const file = yield* openIfExists(disk, path)
  if (file === undefined) return undefined
  try {
    const sizeBytes = yield* perform<number>((done) => disk.fileSizeBytes(path, done))
    const slotCount = sizeBytes / INDEX_SLOT_BYTES
    const head = yield* readSlot(file, 0)
    const last = slotCount < 2 ? undefined : yield* readSlot(file, sizeBytes - INDEX_SLOT_BYTES)
    return unlessDamaged(() => {
      const found = last === undefined ? undefined : decodeInterval(last, crc32c)
      if (last !== undefined && found === undefined) throw new DecodeError('damaged', 0)
      return { head: decodeIndexHead(head, baseOffset, crc32c), last: found?.interval }
    })
  } finally {
    yield* perform<void>((done) => file.close(done))
  }
}

function* openIfExists(disk: Disk, path: string): DiskTask<DiskFile | undefined> {
  return yield* perform<DiskFile | undefined>((done) =>
    disk.open(path, 'existing', (result) => {
      const isMissing = !result.ok && result.error.code === 'ENOENT'
      done(isMissing ? { ok: true, value: undefined } : result)
    }),
  )
}

function* readSlot(file: DiskFile, position: number): DiskTask<Uint8Array> {
  const slot = new Uint8Array(INDEX_SLOT_BYTES)
  const count = yield* perform<number>((done) => file.read(position, slot, done))
  return slot.subarray(0, count)
}

function summaryOf(head: IndexHead, last: Interval | undefined): SegmentSummary {
  const { baseOffset, createdMs } = head
  return {
    baseOffset,
    createdMs,
    nextOffset: last?.nextOffset ?? baseOffset,
    sizeBytes: last?.endPosition ?? 0,
    maxTimestampMs: last?.maxTimestampMs ?? -1,
  }
}

function unlessDamaged<Value>(decode: () => Value): Value | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
