import { DecodeError } from '@fairlead/base'
import { type Crc32c, combineCrc32c, wholeBatchCrc } from '@fairlead/protocol'
import {
  CLEANER_FILE,
  type Checkpoint,
  type CleanerCheckpoint,
  LOG_START_FILE,
  type SegmentRange,
  decodeCleaner,
  readCheckpoint,
} from './checkpoints.ts'
import { CLEANED_SUFFIX, SWAP_SUFFIX, recoverSwap } from './compaction/swap.ts'
import { DELETED_SUFFIX } from './deleted-files.ts'
import { type Disk, type DiskFile, corruptLog, isNoSpace } from './disk.ts'
import {
  type DiskTask,
  TEMPORARY_SUFFIX,
  listIfExists,
  perform,
  readFileIfExists,
} from './disk-task.ts'
import { type DurableState, decodeDurableState } from './durable-state.ts'
import type { IndexCache } from './index-cache.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import {
  type SegmentPlace,
  closedSegment,
  knownSegment,
  openSegmentFile,
  readStoredIndex,
  unknownSegment,
} from './open-segment.ts'
import { PARTITION_METADATA_FILE, writePartitionMetadata } from './partition-metadata.ts'
import { ProducerStates } from './producer-state.ts'
import { IntervalCheck, type Replay, replayBatch } from './replay.ts'
import {
  type Segment,
  type SegmentEnd,
  type UnsureTail,
  createSegment,
  segmentBaseOffset,
  segmentFiles,
  segmentPath,
} from './segment.ts'
import { scanBatches } from './segment-scan.ts'

/**
 * Opening a log after any crash.
 *
 * The writer syncs a segment before it begins the next, so only the last one can end in a torn
 * write, and only behind what is known to have been durable: the newest durable state, and the last
 * interval of the index, which is written after each sync. That tail is cut at the first bad batch.
 * Bad bytes anywhere else were durable once. They are corruption: nothing is cut, opening fails.
 *
 * Read is the log from the newest durable state on, and segments that lost their index. Recovery may
 * itself crash anywhere. It cuts before it syncs and removes only what it would remove again, so that
 * running it twice equals running it once. It needs no space on the disk.
 */
export type RecoveryOptions = {
  readonly disk: Disk
  readonly directory: string
  readonly crc32c: Crc32c
  readonly nowMs: number
  readonly indexIntervalBytes: number
  readonly indexCache: IndexCache
  /** Written down where the directory does not say it yet. */
  readonly topicId?: string
}

export type RecoveredLog = {
  /** In offset order, at least one; the last one takes appends. */
  readonly segments: Segment[]
  readonly logStartOffset: number
  readonly producers: ProducerStates
  readonly leaderEpochs: LeaderEpochs
  readonly cleaner: CleanerCheckpoint
  /** Of the durable states that were found, damaged or not, in order. */
  readonly stateOffsets: readonly number[]
  /** Of the newest that is whole; -1 for none. */
  readonly checkpointOffset: number
  /** Up to where the active segment is known to be durable: its end, unless the disk had no room. */
  readonly durable: SegmentEnd
  /** Bytes behind the newest durable state, in the active segment. */
  readonly replayedBytes: number
  /** Bytes of the torn tail that were cut. */
  readonly truncatedBytes: number
}

/** @throws {StorageError} `LOG_CORRUPT`, or what the disk reports. */
export function* recoverLog(options: RecoveryOptions): DiskTask<RecoveredLog> {
  const openFiles: DiskFile[] = []
  try {
    return yield* recoverDirectory({ ...options, openFiles })
  } catch (error) {
    for (const file of openFiles) yield* perform<void>((done) => file.close(done))
    throw error
  }
}

function* recoverDirectory(
  place: SegmentPlace & Pick<RecoveryOptions, 'topicId'>,
): DiskTask<RecoveredLog> {
  const { disk, directory, crc32c } = place
  const found = yield* listIfExists(disk, directory)
  if (found === undefined) yield* perform<void>((done) => disk.makeDirectory(directory, done))

  const checkpoint = function* (name: string): DiskTask<Checkpoint> {
    if (found?.includes(name) !== true) return 'missing'
    return yield* readCheckpoint(disk, `${directory}/${name}`, crc32c)
  }
  const logStart = decodeLogStart(yield* checkpoint(LOG_START_FILE))
  const cleaner = decodeCleaner(yield* checkpoint(CLEANER_FILE))
  const names = yield* tidiedNames(place, found ?? [], { logStart, cleaner })
  if (place.topicId !== undefined && !names.includes(PARTITION_METADATA_FILE)) {
    yield* writePartitionMetadata(place, place.topicId)
  }
  const bases = names.flatMap((name) => segmentBaseOffset(name) ?? [])
  const stateOffsets = durableStateOffsets(names)
  const state = yield* newestState(place, stateOffsets)
  const findings = { bases, logStart, cleaner, stateOffsets, state }
  return bases.length === 0
    ? yield* createLog(place, findings)
    : yield* recoverSegments(place, findings)
}

type Findings = {
  /** Base offsets of the segments, in order. */
  readonly bases: readonly number[]
  readonly logStart: number
  readonly cleaner: CleanerCheckpoint
  readonly stateOffsets: readonly number[]
  readonly state: DurableState | undefined
}

function* createLog(place: SegmentPlace, findings: Findings): DiskTask<RecoveredLog> {
  const { disk, directory } = place
  const { logStart, cleaner, stateOffsets } = findings
  // Retention leaves a segment, and moves the log start only after that one was created.
  if (logStart > 0 || stateOffsets.some((offset) => offset > 0))
    throw corruptLog(`${directory}: the segments are missing`)
  const parent = directory.slice(0, directory.lastIndexOf('/'))
  if (parent !== '') yield* perform<void>((done) => disk.syncDirectory(parent, done))
  const segment = yield* createSegment({ ...place, baseOffset: 0 })
  const producers = new ProducerStates()
  const leaderEpochs = new LeaderEpochs()
  return {
    segments: [segment],
    logStartOffset: 0,
    producers,
    leaderEpochs,
    cleaner,
    stateOffsets,
    checkpointOffset: -1,
    durable: segment.end,
    replayedBytes: 0,
    truncatedBytes: 0,
  }
}

function* recoverSegments(place: SegmentPlace, findings: Findings): DiskTask<RecoveredLog> {
  const { bases, logStart, cleaner, state, stateOffsets } = findings
  const firstBase = bases[0] ?? 0
  if (firstBase > logStart) {
    throw corruptLog(`${place.directory}: the segment of offset ${logStart} is missing`)
  }
  // Batches between an old state and the first segment were removed: its producers may have gone on
  // in them, and would be refused with what they write next. Unknown ones may start anywhere.
  const isGapless = state !== undefined && state.offset >= firstBase
  const replay: Replay = {
    producers: isGapless ? state.producers : new ProducerStates(),
    leaderEpochs: state?.leaderEpochs ?? new LeaderEpochs(),
    fromOffset: state?.offset ?? firstBase,
    nowMs: place.nowMs,
  }
  const segments: Segment[] = []
  for (const [index, baseOffset] of bases.slice(0, -1).entries()) {
    const isCompacted = baseOffset < cleaner.compactedTo
    const closed = { baseOffset, endOffset: bases[index + 1] ?? baseOffset, isCompacted }
    segments.push(yield* recoverClosed(place, closed, replay))
  }
  const active = yield* recoverActive(place, findings, replay)
  segments.push(active.segment)
  return {
    segments,
    logStartOffset: logStart,
    producers: replay.producers,
    leaderEpochs: replay.leaderEpochs,
    cleaner,
    stateOffsets,
    checkpointOffset: state?.offset ?? -1,
    durable: active.durable,
    replayedBytes: active.replayedBytes,
    truncatedBytes: active.truncatedBytes,
  }
}

/** A segment that was synced whole before its successor began. */
function* recoverClosed(
  place: SegmentPlace,
  { baseOffset, endOffset, isCompacted }: SegmentRange & { readonly isCompacted: boolean },
  replay: Replay,
): DiskTask<Segment> {
  const file = yield* openSegmentFile(place, baseOffset)
  const known = yield* closedSegment(place, file, isCompacted)
  const isComplete = ({ nextOffset }: Segment): boolean =>
    isCompacted ? nextOffset <= endOffset : nextOffset === endOffset
  const isKnown = known !== undefined && isComplete(known)
  if (!isKnown || replay.fromOffset < endOffset) {
    const segment = unknownSegment(place, file, isCompacted)
    const range = { fromPosition: 0, fromOffset: baseOffset, endPosition: file.sizeBytes }
    const scan = { ...range, isCompacted }
    const end = yield* scanBatches(file.file, scan, place.crc32c, (batch) => {
      const verdict = replayBatch(replay, batch)
      if (verdict === 'continue') segment.batchWritten(batch.header, batch.bytes)
      return verdict
    })
    if (end.problem !== undefined || !isComplete(segment)) {
      const problem = end.problem ?? `ends at ${segment.nextOffset}, not at ${endOffset}`
      throw corruptLog(`${file.path}: at byte ${end.position}: ${problem}`)
    }
    if (!isKnown) {
      yield* segment.finishIndex(segment.end)
      yield* segment.close()
      return ended(segment, endOffset)
    }
  }
  return ended(known, endOffset)
}

function ended(segment: Segment, endOffset: number): Segment {
  if (segment.isCompacted) segment.endAt(endOffset)
  return segment
}

/** A segment that compaction has just put in its place: its index covers all of it. */
export function* openCompacted(
  options: RecoveryOptions,
  { baseOffset, endOffset }: SegmentRange,
): DiskTask<Segment> {
  const place = { ...options, openFiles: [] }
  const file = yield* openSegmentFile(place, baseOffset)
  const segment = yield* closedSegment(place, file, true)
  if (segment === undefined || segment.nextOffset > endOffset) {
    throw corruptLog(`${file.path}: the index does not cover the segment`)
  }
  return ended(segment, endOffset)
}

/** The last segment: cut at the first bad batch, unless that lies below what was durable. */
function* recoverActive(
  place: SegmentPlace,
  { bases, logStart, state, stateOffsets }: Findings,
  replay: Replay,
): DiskTask<
  { readonly segment: Segment } & Pick<RecoveredLog, 'durable' | 'replayedBytes' | 'truncatedBytes'>
> {
  const baseOffset = bases.at(-1) ?? 0
  const opened = yield* openSegmentFile(place, baseOffset)
  const { file, path, sizeBytes } = opened
  const stored = yield* readStoredIndex(place, baseOffset)
  const stateBytes = state?.segmentBaseOffset === baseOffset ? state.positionBytes : 0
  const durableBytes = Math.max(stateBytes, stored?.claim?.endPosition ?? 0)
  // Each of them was written after the sync of what it speaks of.
  const claimedOffset = stored?.claim?.nextOffset ?? 0
  const durableOffset = Math.max(claimedOffset, logStart, ...stateOffsets)

  if (sizeBytes < durableBytes) {
    throw corruptLog(`${path}: has ${sizeBytes} of ${durableBytes} durable bytes`)
  }

  const keptCount = stored?.index.countUpTo(stateBytes) ?? 0
  const check = new IntervalCheck(stored?.index, keptCount)
  const segment =
    stored === undefined
      ? unknownSegment(place, opened, false)
      : knownSegment(place, opened, stored, keptCount)
  const range = {
    fromPosition: segment.sizeBytes,
    fromOffset: segment.nextOffset,
    endPosition: sizeBytes,
    isCompacted: false,
  }
  let known = segment.end
  /** Of what stands behind it. */
  let unsureCrc = 0
  const end = yield* scanBatches(file, range, place.crc32c, (batch) => {
    const verdict = check.verdict(batch) ?? replayBatch(replay, batch)
    if (verdict !== 'continue') return verdict
    segment.batchWritten(batch.header, batch.bytes)
    const { header, bytes } = batch
    if (known.sizeBytes < durableBytes || known.nextOffset < durableOffset) known = segment.end
    else unsureCrc = combineCrc32c(unsureCrc, wholeBatchCrc(bytes, header), header.sizeBytes)
    return verdict
  })
  const problem = end.problem ?? 'the file is shorter'
  if (end.position < durableBytes) {
    throw corruptLog(`${path}: at byte ${end.position} of ${durableBytes} durable ones: ${problem}`)
  }
  if (end.nextOffset < durableOffset) {
    const missing = `the durable offsets up to ${durableOffset}`
    throw corruptLog(`${path}: ends at ${end.nextOffset}, before ${missing}: ${problem}`)
  }
  const foundBytes = sizeBytes
  const unsure = { position: known.sizeBytes, crc: unsureCrc }
  yield* makeDurable(place, segment, { unsure, foundBytes })
  const durable = segment.hasUnsureTail ? known : segment.end
  const isIndexed = stored?.isWhole === true && stored.claim?.endPosition === segment.sizeBytes
  if (segment.sizeBytes > 0 && !isIndexed && !segment.hasUnsureTail) {
    yield* segment.writeIndex(segment.end)
  }
  const replayedBytes = segment.sizeBytes - stateBytes
  return { segment, durable, replayedBytes, truncatedBytes: foundBytes - segment.sizeBytes }
}

/**
 * Cuts what is torn, and makes durable what is left. Where even bytes that are there are written to
 * another place, a full disk takes none: then the tail is served, and stays unsure.
 */
function* makeDurable(
  { disk, directory }: SegmentPlace,
  segment: Segment,
  { unsure, foundBytes }: { readonly unsure: UnsureTail; readonly foundBytes: number },
): DiskTask<void> {
  const { file, sizeBytes } = segment
  const durableBytes = unsure.position
  if (foundBytes > sizeBytes) yield* perform<void>((done) => file.truncate(sizeBytes, done))
  if (foundBytes > durableBytes) {
    segment.doubt(unsure)
    try {
      yield* segment.rewriteTail()
      segment.trust()
    } catch (error) {
      if (!isNoSpace(error)) throw error
    }
  }
  // Nothing says that its name is durable.
  if (durableBytes === 0) yield* perform<void>((done) => disk.syncDirectory(directory, done))
}

const STATE_NAME = /^(\d{20})\.snap$/

function durableStateOffsets(names: readonly string[]): number[] {
  return names.flatMap((name) => {
    const digits = STATE_NAME.exec(name)?.[1]
    return digits === undefined ? [] : [Number(digits)]
  })
}

/** The newest that is whole. */
function* newestState(
  place: SegmentPlace,
  offsets: readonly number[],
): DiskTask<DurableState | undefined> {
  for (const offset of offsets.toReversed()) {
    const path = segmentPath(place.directory, offset, '.snap')
    const bytes = yield* readFileIfExists(place.disk, path)
    if (bytes === undefined) continue
    try {
      return decodeDurableState(bytes, place)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  return undefined
}

/**
 * Ends or removes what an interrupted replacement or retention left behind; what is there then. A
 * segment goes when the next one starts at or below the log start.
 */
function* tidiedNames(
  place: SegmentPlace,
  found: readonly string[],
  known: { readonly logStart: number; readonly cleaner: CleanerCheckpoint },
): DiskTask<readonly string[]> {
  const { disk, directory } = place
  let names = found
  if (names.some((name) => name.endsWith(CLEANED_SUFFIX) || name.endsWith(SWAP_SUFFIX))) {
    yield* recoverSwap(place, known.cleaner)
    names = yield* perform<readonly string[]>((done) => disk.list(directory, done))
  }
  // A process that was killed may have renamed a checkpoint and not made that durable. What it says is
  // acted upon and served from now on, and must not go back when the power is lost.
  if (names.includes(LOG_START_FILE) || names.includes(CLEANER_FILE)) {
    yield* perform<void>((done) => disk.syncDirectory(directory, done))
  }
  const remove = function* (doomed: readonly string[]): DiskTask<void> {
    for (const name of doomed) {
      yield* perform<void>((done) => disk.removeFile(`${directory}/${name}`, done))
    }
  }
  yield* remove(names.filter(isLeftover))
  const bases = names.flatMap((name) => segmentBaseOffset(name) ?? [])
  const obsolete = bases.filter((base, index) => {
    const next = bases[index + 1]
    return next !== undefined && next <= known.logStart && base < known.logStart
  })
  // Whatever of this a crash brings back is below the log start, and goes with the next start.
  yield* remove(obsolete.flatMap((base) => segmentFiles(base, names)))
  return names.filter((name) => !obsolete.includes(segmentBaseOffset(name) ?? -1))
}

/** Written half, or deleted, which nobody can want back: a start was asked for. */
function isLeftover(name: string): boolean {
  return name.endsWith(TEMPORARY_SUFFIX) || name.endsWith(DELETED_SUFFIX)
}

function decodeLogStart(checkpoint: Checkpoint): number {
  if (checkpoint === 'missing') return 0
  const offset = checkpoint === 'damaged' ? undefined : checkpoint[0]?.[0]
  if (offset === undefined) throw corruptLog(`${LOG_START_FILE} is damaged`)
  return offset
}
