import { DecodeError, invariant } from '@fairlead/base'
import type { Crc32c } from '@fairlead/protocol'
import {
  CLEANER_FILE,
  type Checkpoint,
  type CleanerCheckpoint,
  LEADER_EPOCH_FILE,
  LOG_START_FILE,
  RECOVERY_POINT_FILE,
  type RecoveryPoint,
  type SegmentRange,
  readCheckpoint,
} from './checkpoints.ts'
import { recoverSwap } from './compaction/swap.ts'
import { type Disk, type DiskFile, corruptLog } from './disk.ts'
import { type DiskTask, TEMPORARY_SUFFIX, perform, readFileIfExists } from './disk-task.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { OffsetIndex, type SegmentSummary, decodeIndex } from './offset-index.ts'
import { decodeProducerSnapshot } from './producer-snapshot.ts'
import { NO_PRODUCER_ID, ProducerStates, entryAfter } from './producer-state.ts'
import { Segment, createSegment, emptySummary, segmentBaseOffset, segmentPath } from './segment.ts'
import { type ScanVerdict, type ScannedBatch, scanBatches } from './segment-scan.ts'

/**
 * Opening a log after any crash.
 *
 * The writer syncs a segment before it begins the next, so only the last one can end in a torn
 * write, and only above the recovery point: that tail is cut at the first bad batch. Bad bytes
 * anywhere else were durable once. They are corruption: nothing is cut, opening fails.
 *
 * Recovery may itself crash anywhere. It cuts before it syncs and removes only what it would remove
 * again, so that running it twice equals running it once.
 */
export type RecoveryOptions = {
  readonly disk: Disk
  readonly directory: string
  readonly crc32c: Crc32c
  readonly nowMs: number
  readonly indexIntervalBytes: number
}

export type RecoveredLog = {
  /** In offset order, at least one; the last one takes appends. */
  readonly segments: Segment[]
  readonly logStartOffset: number
  readonly producers: ProducerStates
  readonly leaderEpochs: LeaderEpochs
  readonly cleaner: CleanerCheckpoint
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

/** `openFiles` are closed when recovery fails. */
type Recovery = RecoveryOptions & { readonly openFiles: DiskFile[] }

function* recoverDirectory(options: Recovery): DiskTask<RecoveredLog> {
  const { disk, directory, crc32c } = options
  yield* perform<void>((done) => disk.makeDirectory(directory, done))
  const parent = directory.slice(0, directory.lastIndexOf('/'))
  if (parent !== '') yield* perform<void>((done) => disk.syncDirectory(parent, done))

  const checkpoint = (name: string) => readCheckpoint(disk, `${directory}/${name}`, crc32c)
  const recoveryPoint = decodeRecoveryPoint(yield* checkpoint(RECOVERY_POINT_FILE))
  const logStart = decodeLogStart(yield* checkpoint(LOG_START_FILE))
  const epochs = decodeLeaderEpochs(yield* checkpoint(LEADER_EPOCH_FILE))
  const cleaner = decodeCleaner(yield* checkpoint(CLEANER_FILE))
  yield* recoverSwap(options, cleaner)
  const bases = yield* tidyDirectory(options, logStart)

  if (bases.length === 0) {
    // Retention leaves a segment, and moves the log start only after that one was created.
    if (recoveryPoint.offset > 0 || logStart > 0)
      throw corruptLog(`${directory}: the segments are missing`)
    const segment = yield* createSegment({ ...options, baseOffset: 0 })
    const producers = new ProducerStates()
    const leaderEpochs = new LeaderEpochs()
    return {
      segments: [segment],
      logStartOffset: 0,
      producers,
      leaderEpochs,
      cleaner,
      truncatedBytes: 0,
    }
  }
  return yield* recoverSegments(options, { bases, recoveryPoint, logStart, epochs, cleaner })
}

type Findings = {
  readonly bases: readonly number[]
  readonly recoveryPoint: RecoveryPoint
  readonly logStart: number
  readonly cleaner: CleanerCheckpoint
  /** Undefined when they have to be read from the batches. */
  readonly epochs: LeaderEpochs | undefined
}

function* recoverSegments(options: Recovery, findings: Findings): DiskTask<RecoveredLog> {
  const { bases, recoveryPoint } = findings
  const firstBase = bases[0] ?? 0
  const lastBase = bases.at(-1) ?? 0
  if (firstBase > findings.logStart) {
    throw corruptLog(`${options.directory}: the segment of offset ${findings.logStart} is missing`)
  }
  const snapshot = yield* newestSnapshot(options, firstBase)
  const replay: Replay = {
    producers: snapshot.states,
    producersFrom: snapshot.offset,
    leaderEpochs: findings.epochs ?? new LeaderEpochs(),
    epochsFrom: findings.epochs === undefined ? firstBase : Number.POSITIVE_INFINITY,
    nowMs: options.nowMs,
  }
  const segments: Segment[] = []
  for (const [index, baseOffset] of bases.slice(0, -1).entries()) {
    const isCompacted = baseOffset < findings.cleaner.compactedTo
    const closed = { baseOffset, endOffset: bases[index + 1] ?? baseOffset, isCompacted }
    segments.push(yield* recoverClosed(options, closed, replay))
  }
  const durableBytes =
    recoveryPoint.segmentBaseOffset === lastBase ? recoveryPoint.positionBytes : 0
  // Each of them was written after the sync of what it speaks of.
  const durableOffset = Math.max(recoveryPoint.offset, snapshot.offset, findings.logStart)
  const durable = { sizeBytes: durableBytes, nextOffset: durableOffset }
  const { segment, truncatedBytes } = yield* recoverActive(options, lastBase, durable, replay)
  segments.push(segment)
  return {
    segments,
    logStartOffset: findings.logStart,
    producers: replay.producers,
    leaderEpochs: replay.leaderEpochs,
    cleaner: findings.cleaner,
    truncatedBytes,
  }
}

/** What the batches of the log are replayed into, and from which offsets on. */
type Replay = {
  readonly producers: ProducerStates
  readonly producersFrom: number
  readonly leaderEpochs: LeaderEpochs
  readonly epochsFrom: number
  readonly nowMs: number
}

function replayBatch(replay: Replay, { header }: ScannedBatch): ScanVerdict {
  const { producerId, baseOffset, partitionLeaderEpoch } = header
  if (!replay.leaderEpochs.replay(partitionLeaderEpoch, baseOffset)) {
    return { problem: `leader epoch ${partitionLeaderEpoch} contradicts the epochs before` }
  }
  if (producerId !== NO_PRODUCER_ID && baseOffset >= replay.producersFrom) {
    const known = replay.producers.get(producerId)
    const placement = { baseOffset, nowMs: replay.nowMs }
    replay.producers.set(producerId, entryAfter(known, header, placement))
  }
  return 'continue'
}

/** A segment that was synced whole before its successor began. */
function* recoverClosed(
  options: Recovery,
  closed: SegmentRange & { readonly isCompacted: boolean },
  replay: Replay,
): DiskTask<Segment> {
  const { endOffset, isCompacted } = closed
  const opened = yield* openSegment(options, closed)
  const covered = opened.segment
  // Bytes behind what the index covers are scanned: whatever stands there is wrong.
  const isWhole = covered.nextOffset === endOffset
  const trusted = isWhole ? opened : { ...opened, segment: opened.rebuild() }
  const end = yield* scanFrom(options, trusted, replay)
  const { nextOffset } = trusted.segment
  const isComplete = isCompacted ? nextOffset <= endOffset : nextOffset === endOffset
  if (end.problem !== undefined || !isComplete) {
    const problem = end.problem ?? `ends at ${nextOffset}, not at ${endOffset}`
    throw corruptLog(`${opened.path}: at byte ${end.position}: ${problem}`)
  }
  if (isCompacted) trusted.segment.endAt(endOffset)
  return trusted.segment
}

/** A segment that compaction has just put in its place: its index covers all of it. */
export function* openCompacted(
  options: RecoveryOptions,
  { baseOffset, endOffset }: SegmentRange,
): DiskTask<Segment> {
  const opened = yield* openSegment(
    { ...options, openFiles: [] },
    { baseOffset, isCompacted: true },
  )
  const { segment, fileBytes, path } = opened
  if (segment.nextOffset !== endOffset || segment.sizeBytes !== fileBytes) {
    throw corruptLog(`${path}: the index does not cover the segment`)
  }
  return segment
}

/** The last segment: cut at the first bad batch, unless that lies below what is durable. */
function* recoverActive(
  options: Recovery,
  baseOffset: number,
  durable: { readonly sizeBytes: number; readonly nextOffset: number },
  replay: Replay,
): DiskTask<{ readonly segment: Segment; readonly truncatedBytes: number }> {
  const opened = yield* openSegment(options, { baseOffset, isCompacted: false })
  const { file, fileBytes, path, segment } = opened
  // An index is written before the recovery point, and covers only what was synced before.
  const durableBytes = Math.max(durable.sizeBytes, segment.sizeBytes)
  const end = yield* scanFrom(options, opened, replay)
  const problem = end.problem ?? 'the file is shorter'
  if (end.position < durableBytes) {
    throw corruptLog(`${path}: at byte ${end.position} of ${durableBytes} durable ones: ${problem}`)
  }
  if (end.nextOffset < durable.nextOffset) {
    const missing = `the durable offsets up to ${durable.nextOffset}`
    throw corruptLog(`${path}: ends at ${end.nextOffset}, before ${missing}: ${problem}`)
  }
  if (end.problem !== undefined) {
    yield* perform<void>((done) => file.truncate(segment.sizeBytes, done))
  }
  // What stands behind the recovery point may be in the page cache only, and is served from now on.
  yield* perform<void>((done) => file.datasync(done))
  return { segment, truncatedBytes: fileBytes - segment.sizeBytes }
}

type OpenedSegment = {
  readonly segment: Segment
  readonly file: DiskFile
  readonly fileBytes: number
  readonly path: string
  /** The same segment as if it had no index. */
  readonly rebuild: () => Segment
}

function* openSegment(
  options: Recovery,
  which: { readonly baseOffset: number; readonly isCompacted: boolean },
): DiskTask<OpenedSegment> {
  const { disk, directory, nowMs, indexIntervalBytes } = options
  const { baseOffset, isCompacted } = which
  const path = segmentPath(directory, baseOffset, '.log')
  const fileBytes = yield* perform<number>((done) => disk.fileSizeBytes(path, done))
  const file = yield* perform<DiskFile>((done) => disk.open(path, 'existing', done))
  options.openFiles.push(file)
  const stored = yield* readIndex(options, baseOffset)
  const make = (summary: SegmentSummary, index: OffsetIndex) =>
    new Segment({ directory, file, summary, index, indexIntervalBytes, isCompacted })
  const rebuild = () => make(emptySummary(baseOffset, nowMs), new OffsetIndex())
  const isUsable = stored !== undefined && stored.summary.sizeBytes <= fileBytes
  const segment = isUsable ? make(stored.summary, stored.index) : rebuild()
  return { segment, file, fileBytes, path, rebuild }
}

/** Scans what the index does not cover, and what is to be replayed; extends the segment. */
function* scanFrom(options: Recovery, opened: OpenedSegment, replay: Replay) {
  const { segment, file, fileBytes } = opened
  const covered = { position: segment.sizeBytes, offset: segment.nextOffset }
  const replayFrom = Math.min(replay.producersFrom, replay.epochsFrom, covered.offset)
  if (replayFrom < covered.offset) {
    const end = yield* replayCovered(options, opened, covered, replay)
    if (end.problem !== undefined) return end
  }
  const range = {
    fromPosition: covered.position,
    fromOffset: covered.offset,
    endPosition: fileBytes,
    isCompacted: segment.isCompacted,
  }
  return yield* scanBatches(file, range, options.crc32c, (batch) => {
    const verdict = replayBatch(replay, batch)
    if (verdict === 'continue') segment.batchWritten(batch.header)
    return verdict
  })
}

/** Replays the batches that the index covers, from its start: they are few after a checkpoint. */
function* replayCovered(
  options: Recovery,
  { segment, file }: OpenedSegment,
  covered: { readonly position: number },
  replay: Replay,
) {
  const range = {
    fromPosition: 0,
    fromOffset: segment.baseOffset,
    endPosition: covered.position,
    isCompacted: segment.isCompacted,
  }
  return yield* scanBatches(file, range, options.crc32c, (batch) => replayBatch(replay, batch))
}

function* readIndex(options: Recovery, baseOffset: number) {
  const { disk, directory, crc32c } = options
  const bytes = yield* readFileIfExists(disk, segmentPath(directory, baseOffset, '.idx'))
  if (bytes === undefined) return undefined
  try {
    return decodeIndex(bytes, baseOffset, crc32c)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

const SNAPSHOT_NAME = /^(\d{20})\.snap$/

export function snapshotOffsets(names: readonly string[]): number[] {
  return names.flatMap((name) => {
    const digits = SNAPSHOT_NAME.exec(name)?.[1]
    return digits === undefined ? [] : [Number(digits)]
  })
}

/** The newest producer snapshot that is whole; an empty state at `firstBase` when there is none. */
function* newestSnapshot(
  options: Recovery,
  firstBase: number,
): DiskTask<{ readonly states: ProducerStates; readonly offset: number }> {
  const { disk, directory } = options
  const names = yield* perform<readonly string[]>((done) => disk.list(directory, done))
  for (const offset of snapshotOffsets(names).reverse()) {
    const bytes = yield* readFileIfExists(disk, segmentPath(directory, offset, '.snap'))
    if (bytes === undefined) continue
    try {
      return { states: decodeProducerSnapshot(bytes, options), offset }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  return { states: new ProducerStates(), offset: firstBase }
}

/**
 * Removes what an interrupted replacement or retention left behind; the base offsets of the segments
 * that remain, in order. A segment goes when the next one starts at or below the log start.
 */
function* tidyDirectory(options: Recovery, logStart: number): DiskTask<number[]> {
  const { disk, directory } = options
  const names = yield* perform<readonly string[]>((done) => disk.list(directory, done))
  const bases = names.flatMap((name) => segmentBaseOffset(name) ?? [])
  const isObsolete = (base: number, index: number) => {
    const next = bases[index + 1]
    return next !== undefined && next <= logStart && base < logStart
  }
  const obsolete = bases.filter(isObsolete)
  for (const name of names.filter((name) => name.endsWith(TEMPORARY_SUFFIX))) {
    yield* perform<void>((done) => disk.removeFile(`${directory}/${name}`, done))
  }
  for (const base of obsolete) yield* removeSegmentFiles(disk, directory, base, names)
  if (obsolete.length > 0) yield* perform<void>((done) => disk.syncDirectory(directory, done))
  return bases.slice(obsolete.length)
}

/** Removes a segment and its index: the index first, for it means nothing without the segment. */
export function* removeSegmentFiles(
  disk: Disk,
  directory: string,
  baseOffset: number,
  names: readonly string[],
): DiskTask<void> {
  for (const suffix of ['.idx', '.log']) {
    const path = segmentPath(directory, baseOffset, suffix)
    if (!names.includes(path.slice(directory.length + 1))) continue
    yield* perform<void>((done) => disk.removeFile(path, done))
  }
}

const NOTHING_DURABLE: RecoveryPoint = { offset: 0, segmentBaseOffset: 0, positionBytes: 0 }

/**
 * A missing recovery point means that the log is new, or was copied here: then every segment but the
 * last is taken as durable, which the roll guarantees. A damaged one is bit rot.
 */
function decodeRecoveryPoint(checkpoint: Checkpoint): RecoveryPoint {
  if (checkpoint === 'missing') return NOTHING_DURABLE
  const [offset, segmentBaseOffset, positionBytes] =
    checkpoint === 'damaged' ? [] : (checkpoint[0] ?? [])
  if (offset === undefined || segmentBaseOffset === undefined || positionBytes === undefined) {
    throw corruptLog(`${RECOVERY_POINT_FILE} is damaged`)
  }
  return { offset, segmentBaseOffset, positionBytes }
}

function decodeLogStart(checkpoint: Checkpoint): number {
  if (checkpoint === 'missing') return 0
  const offset = checkpoint === 'damaged' ? undefined : checkpoint[0]?.[0]
  if (offset === undefined) throw corruptLog(`${LOG_START_FILE} is damaged`)
  return offset
}

/**
 * Without it nothing was compacted. A damaged one is no loss: every closed segment may then have been,
 * and all of them are compacted again.
 */
function decodeCleaner(checkpoint: Checkpoint): CleanerCheckpoint {
  if (checkpoint === 'missing') return { firstDirtyOffset: 0, compactedTo: 0, swap: undefined }
  const [offsets, swap] = checkpoint === 'damaged' ? [] : checkpoint
  const [baseOffset, endOffset] = swap ?? []
  const [firstDirtyOffset = 0, compactedTo = Number.POSITIVE_INFINITY] = offsets ?? []
  return {
    firstDirtyOffset,
    compactedTo,
    swap:
      baseOffset === undefined || endOffset === undefined ? undefined : { baseOffset, endOffset },
  }
}

function decodeLeaderEpochs(checkpoint: Checkpoint): LeaderEpochs | undefined {
  if (checkpoint === 'missing' || checkpoint === 'damaged') return undefined
  return new LeaderEpochs(
    checkpoint.map(([epoch, startOffset]) => {
      invariant(epoch !== undefined && startOffset !== undefined, 'a row has two numbers')
      return { epoch, startOffset }
    }),
  )
}
