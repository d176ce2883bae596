import type { PartitionLog, ReadRequest, ReadResult } from '@fairlead/log'
import type { MetadataImage } from '@fairlead/metadata'
import type { ErrorCode } from '@fairlead/protocol'
import { endOfEpoch, leaderEpochError } from '../handlers/leader-epoch.ts'
import type { FetchMemory } from '../fetching/fetch-memory.ts'
import { read } from '../partitions/log-calls.ts'
import type { LocalPartition, PartitionTable } from '../partitions/partition-table.ts'
import type { WatchedLog } from './delayed-fetches.ts'
import type { NextRead, ReadAhead } from './read-ahead.ts'
import {
  type AnsweredTarget,
  type FetchTarget,
  type PartitionAnswer,
  type PartitionRequest,
  recordBytes,
} from './fetch-target.ts'

/** One look at all partitions of a fetch. */
export type Round = {
  readonly answered: readonly AnsweredTarget[]
  /** Of the records. */
  readonly sizeBytes: number
  /** Gives back the memory of the records, once nobody reads them any more. */
  readonly release: () => void
  /** There is an error, or no room for more: waiting would add nothing. */
  readonly isFinal: boolean
  /** There is more to read, for which the granted bytes were too few. */
  readonly isCut: boolean
  /** Where the next fetch will go on, when there is more to read. */
  readonly next: NextRead | undefined
  /** Whose appends would add to the answer. */
  readonly watched: readonly WatchedLog[]
}

export type RoundOptions = {
  readonly targets: readonly FetchTarget[]
  /** Taken from the fetch memory; undefined when there was none: then no records are read. */
  readonly grantedBytes: number | undefined
  readonly isCommittedOnly: boolean
  /** The reader says that it is a replica. */
  readonly isFollower?: boolean
}

export type RoundContext = {
  readonly image: Pick<MetadataImage, 'topicName'>
  readonly partitions: Pick<PartitionTable, 'get' | 'errorOfMissing'>
  readonly fetchMemory: FetchMemory
  readonly readAhead: Pick<ReadAhead, 'take'>
}

/** Reads every partition once, in order, until the granted bytes are used up. */
export async function readRound(options: RoundOptions, context: RoundContext): Promise<Round> {
  const releases: (() => void)[] = []
  try {
    return await readTargets(options, context, releases)
  } catch (error) {
    for (const releaseRecords of releases) releaseRecords()
    context.fetchMemory.release(options.grantedBytes ?? 0)
    throw error
  }
}

/** What is read is added to `releases`; the grant is settled at the end. */
async function readTargets(
  options: RoundOptions,
  context: RoundContext,
  releases: (() => void)[],
): Promise<Round> {
  const { targets, isCommittedOnly, isFollower = false } = options
  const { fetchMemory } = context
  const grantedBytes = options.grantedBytes ?? 0
  const mayRead = options.grantedBytes !== undefined
  const answered: AnsweredTarget[] = []
  const watched: WatchedLog[] = []
  let sizeBytes = 0
  let heldBytes = 0
  let hasError = false
  let isFull = false
  let isCut = false
  let nextSkipped: NextRead | undefined
  let nextOfServed: NextRead | undefined
  for (const target of targets) {
    const topicName = nameOf(target, context)
    const found = findPartition(topicName, target.request, isFollower, context)
    const leftBytes = grantedBytes - sizeBytes
    if (typeof found === 'string') {
      answered.push({ target, topicName, answer: failed(target.request, found) })
      hasError = true
      continue
    }
    const { log } = found
    const seenBytes = log.readableBytes
    const wanted =
      diverged(found, target.request) ?? wantedRange(log, target.request, isCommittedOnly)
    hasError ||= wanted.isDiverged === true
    let answer = wanted.answer
    let isSaturated = false
    let { fetchOffset } = target.request
    // KIP-74: only the first batch of a response may be larger than what is left of the budget.
    if (mayRead && wanted.upTo !== undefined && (sizeBytes === 0 || leftBytes > 0)) {
      const partitionBytes = Math.max(target.request.partitionMaxBytes, 0)
      const isHardLimit = sizeBytes > 0
      const range = {
        fetchOffset,
        maxBytes: Math.min(partitionBytes, Math.max(leftBytes, 0)),
        isHardLimit,
        upTo: wanted.upTo,
      }
      const result = await readOnce(log, range, context)
      answer = withRecords(answer, result)
      if (result.ok) {
        releases.push(result.release)
        heldBytes += result.heldBytes
        fetchOffset = result.nextOffset
      }
      isSaturated = result.ok && result.nextOffset < wanted.upTo
      isFull ||= isSaturated && isHardLimit && recordBytes(answer) === 0
      isCut ||= isSaturated && leftBytes < partitionBytes
    } else {
      isCut ||= wanted.upTo !== undefined
    }
    if (answer.errorCode === 'NONE' && wanted.upTo !== undefined && fetchOffset < wanted.upTo) {
      const maxBytes = Math.min(target.request.partitionMaxBytes, grantedBytes)
      const next = { log, fetchOffset, maxBytes, upTo: wanted.upTo }
      if (recordBytes(answer) === 0) nextSkipped ??= next
      else nextOfServed ??= next
    }
    sizeBytes += recordBytes(answer)
    hasError ||= answer.errorCode !== 'NONE'
    answered.push({ target, topicName, answer })
    if (!isSaturated) watched.push({ log, seenBytes })
  }
  fetchMemory.settle(grantedBytes, heldBytes)
  const release = (): void => {
    fetchMemory.release(heldBytes)
    for (const releaseRecords of releases) releaseRecords()
  }
  const isFinal = hasError || isFull || sizeBytes >= grantedBytes
  // Those that got nothing come first.
  const next = nextSkipped ?? nextOfServed
  return { answered, sizeBytes, release, isFinal, isCut, next, watched }
}

async function readOnce(
  log: PartitionLog,
  range: ReadRequest & { readonly upTo: number },
  { readAhead }: RoundContext,
): Promise<ReadResult> {
  const ahead = readAhead.take(log, range)
  return (ahead === undefined ? undefined : await ahead) ?? read(log, range)
}

function nameOf({ topic, topicId }: FetchTarget, { image }: RoundContext): string {
  return topic === '' ? (image.topicName(topicId) ?? '') : topic
}

function findPartition(
  topicName: string,
  request: PartitionRequest,
  isFollower: boolean,
  { partitions }: RoundContext,
): LocalPartition | ErrorCode {
  if (topicName === '') return 'UNKNOWN_TOPIC_ID'
  const found = partitions.get(topicName, request.partition)
  if (found === undefined) return partitions.errorOfMissing(topicName, request.partition)
  // Kafka takes any negative epoch of a fetch for none.
  const clientEpoch = Math.max(request.currentLeaderEpoch, -1)
  const epochError = leaderEpochError(clientEpoch, found.leaderEpoch)
  if (epochError !== undefined) return epochError
  // No partition has a follower: whoever says that it is one takes this broker for another.
  return isFollower ? 'NOT_LEADER_OR_FOLLOWER' : found
}

type Wanted = {
  readonly answer: PartitionAnswer
  /** Undefined where there is nothing to read. */
  readonly upTo: number | undefined
  readonly isDiverged?: boolean
}

/**
 * The answer to a reader whose last records came from an epoch that ended before them (KIP-595):
 * where its log and ours part. Undefined for one who says nothing of epochs, and for one who is right.
 */
function diverged(found: LocalPartition, request: PartitionRequest): Wanted | undefined {
  const { fetchOffset, lastFetchedEpoch } = request
  if (lastFetchedEpoch < 0) return undefined
  const { log } = found
  const end = endOfEpoch(found, lastFetchedEpoch)
  if (end === undefined) {
    return { answer: failed(request, 'OFFSET_OUT_OF_RANGE'), upTo: undefined }
  }
  if (end.leaderEpoch === lastFetchedEpoch && end.endOffset >= fetchOffset) return undefined
  const divergingEpoch = { epoch: end.leaderEpoch, endOffset: end.endOffset }
  const answer = { ...failed(request, 'NONE'), ...watermarks(log), divergingEpoch }
  return { answer, upTo: undefined, isDiverged: true }
}

/** The answer without records, and up to where there are some to read; undefined for none. */
function wantedRange(
  log: PartitionLog,
  request: PartitionRequest,
  isCommittedOnly: boolean,
): Wanted {
  const { fetchOffset } = request
  // Offsets between the high watermark and the end exist, yet nobody may read them so far.
  if (fetchOffset < log.logStartOffset || fetchOffset > log.logEndOffset) {
    return { answer: failed(request, 'OFFSET_OUT_OF_RANGE'), upTo: undefined }
  }
  const upTo = isCommittedOnly ? log.lastStableOffset : log.highWatermark
  const answer: PartitionAnswer = {
    partitionIndex: request.partition,
    errorCode: 'NONE',
    ...watermarks(log),
    abortedTransactions: isCommittedOnly ? [] : null,
    records: [],
  }
  return { answer, upTo: fetchOffset < upTo ? upTo : undefined }
}

function withRecords(answer: PartitionAnswer, result: ReadResult): PartitionAnswer {
  if (result.ok) return { ...answer, records: result.chunks }
  return { ...answer, errorCode: result.errorCode, abortedTransactions: null }
}

/** An error says nothing about the log, as in Kafka. */
function failed({ partition }: PartitionRequest, errorCode: ErrorCode): PartitionAnswer {
  return {
    partitionIndex: partition,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    abortedTransactions: null,
    records: [],
  }
}

function watermarks({
  highWatermark,
  lastStableOffset,
  logStartOffset,
}: PartitionLog): Pick<PartitionAnswer, 'highWatermark' | 'lastStableOffset' | 'logStartOffset'> {
  return { highWatermark, lastStableOffset, logStartOffset }
}
