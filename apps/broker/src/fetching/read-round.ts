import type { PartitionLog, ReadRequest, ReadResult } from '@fairlead/log'
import type { MetadataImage } from '@fairlead/metadata'
import type { ErrorCode } from '@fairlead/protocol'
import { endOfEpoch, leaderEpochError } from '../handlers/leader-epoch.ts'
import type { FetchMemory } from '../fetching/fetch-memory.ts'
import { type AtOnceOrLater, read } from '../partitions/log-calls.ts'
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
  readonly readAhead: Pick<ReadAhead, 'take'>
}

export type RoundContext = {
  readonly image: Pick<MetadataImage, 'topicName'>
  readonly partitions: Pick<PartitionTable, 'get' | 'errorOfMissing'>
  readonly fetchMemory: FetchMemory
}

/**
 * Reads every partition once, in order, until the granted bytes are used up. The grant is settled at the
 * end, or given back when something fails.
 */
export function readRound(options: RoundOptions, context: RoundContext): AtOnceOrLater<Round> {
  return new Reading(options, context).readFrom(0)
}

/** A partition that was found, and what there is to read of it. */
type Look = {
  readonly target: FetchTarget
  readonly topicName: string
  readonly log: PartitionLog
  readonly seenBytes: number
  /** The answer when nothing is to be read, whatever there is. */
  readonly refusal: PartitionAnswer | undefined
  /** There are records below it; undefined for none. */
  readonly upTo: number | undefined
}

type Range = ReadRequest & { readonly upTo: number; readonly isHardLimit: boolean }

class Reading {
  readonly #options: RoundOptions
  readonly #context: RoundContext
  readonly #grantedBytes: number
  readonly #releases: (() => void)[] = []
  readonly #answered: AnsweredTarget[] = []
  readonly #watched: WatchedLog[] = []
  #sizeBytes = 0
  #heldBytes = 0
  #hasError = false
  #isFull = false
  #isCut = false
  #nextSkipped: NextRead | undefined
  #nextOfServed: NextRead | undefined

  constructor(options: RoundOptions, context: RoundContext) {
    this.#options = options
    this.#context = context
    this.#grantedBytes = options.grantedBytes ?? 0
  }

  /** At once, unless a disk has to be waited for. */
  readFrom(first: number): AtOnceOrLater<Round> {
    const { targets, readAhead } = this.#options
    try {
      for (let index = first; index < targets.length; index += 1) {
        const target = targets[index]
        const look = target && this.#look(target)
        if (look === undefined) continue
        const range = this.#rangeOf(look)
        const result = range && readOnce(look.log, range, readAhead)
        if (result instanceof Promise) return this.#readOn({ index, look, range }, result)
        this.#add(look, range, result)
      }
    } catch (error) {
      this.#giveUp()
      throw error
    }
    return this.#end()
  }

  async #readOn(
    { index, look, range }: { index: number; look: Look; range: Range | undefined },
    result: Promise<ReadResult>,
  ): Promise<Round> {
    try {
      this.#add(look, range, await result)
    } catch (error) {
      this.#giveUp()
      throw error
    }
    return this.readFrom(index + 1)
  }

  /** Undefined for a partition that is not here, which is answered. */
  #look(target: FetchTarget): Look | undefined {
    const { request } = target
    const topicName = nameOf(target, this.#context)
    const { isFollower = false } = this.#options
    const found = findPartition(topicName, request, isFollower, this.#context)
    if (typeof found === 'string') {
      this.#answered.push({ target, topicName, answer: failed(request, found) })
      this.#hasError = true
      return undefined
    }
    const { log } = found
    const seenBytes = log.readableBytes
    const divergence = divergenceOf(found, request)
    if (divergence !== undefined) this.#hasError = true
    const refusal = divergence ?? outOfRange(log, request)
    const upTo = this.#options.isCommittedOnly ? log.lastStableOffset : log.highWatermark
    const isBelow = refusal === undefined && request.fetchOffset < upTo
    return { target, topicName, log, seenBytes, refusal, upTo: isBelow ? upTo : undefined }
  }

  /** KIP-74: only the first batch of a response may be larger than what is left of the budget. */
  #rangeOf({ target, upTo }: Look): Range | undefined {
    const leftBytes = this.#grantedBytes - this.#sizeBytes
    const mayRead = this.#options.grantedBytes !== undefined
    if (upTo === undefined || !mayRead || (this.#sizeBytes > 0 && leftBytes <= 0)) return undefined
    const { fetchOffset, partitionMaxBytes } = target.request
    const maxBytes = Math.min(Math.max(partitionMaxBytes, 0), Math.max(leftBytes, 0))
    return { fetchOffset, maxBytes, isHardLimit: this.#sizeBytes > 0, upTo }
  }

  #add(look: Look, range: Range | undefined, result: ReadResult | undefined): void {
    const { target, topicName, log, seenBytes, refusal, upTo } = look
    const { request } = target
    const answer = refusal ?? answerOf(look, result, this.#options.isCommittedOnly)
    const answerBytes = recordBytes(answer)
    let { fetchOffset } = request
    if (result?.ok === true) {
      this.#releases.push(result.release)
      this.#heldBytes += result.heldBytes
      fetchOffset = result.nextOffset
    }
    const isSaturated = range !== undefined && result?.ok === true && fetchOffset < range.upTo
    if (range === undefined) {
      this.#isCut ||= upTo !== undefined
    } else if (isSaturated) {
      this.#isFull ||= range.isHardLimit && answerBytes === 0
      const leftBytes = this.#grantedBytes - this.#sizeBytes
      this.#isCut ||= leftBytes < Math.max(request.partitionMaxBytes, 0)
    }
    if (answer.errorCode === 'NONE' && upTo !== undefined && fetchOffset < upTo) {
      const maxBytes = Math.min(request.partitionMaxBytes, this.#grantedBytes)
      const next = { log, fetchOffset, maxBytes, upTo }
      if (answerBytes === 0) this.#nextSkipped ??= next
      else this.#nextOfServed ??= next
    }
    this.#sizeBytes += answerBytes
    this.#hasError ||= answer.errorCode !== 'NONE'
    this.#answered.push({ target, topicName, answer })
    if (!isSaturated) this.#watched.push({ log, seenBytes })
  }

  #end(): Round {
    const { fetchMemory } = this.#context
    const heldBytes = this.#heldBytes
    const releases = this.#releases
    fetchMemory.settle(this.#grantedBytes, heldBytes)
    const release = (): void => {
      fetchMemory.release(heldBytes)
      for (const releaseRecords of releases) releaseRecords()
    }
    return {
      answered: this.#answered,
      sizeBytes: this.#sizeBytes,
      release,
      isFinal: this.#hasError || this.#isFull || this.#sizeBytes >= this.#grantedBytes,
      isCut: this.#isCut,
      // Those that got nothing come first.
      next: this.#nextSkipped ?? this.#nextOfServed,
      watched: this.#watched,
    }
  }

  #giveUp(): void {
    for (const releaseRecords of this.#releases) releaseRecords()
    this.#context.fetchMemory.release(this.#grantedBytes)
  }
}

function readOnce(
  log: PartitionLog,
  range: Range,
  readAhead: RoundOptions['readAhead'],
): AtOnceOrLater<ReadResult> {
  const ahead = readAhead.take(log, range)
  return ahead === undefined ? read(log, range) : readUnlessAhead(ahead, log, range)
}

async function readUnlessAhead(
  ahead: Promise<ReadResult | undefined>,
  log: PartitionLog,
  range: Range,
): Promise<ReadResult> {
  return (await ahead) ?? read(log, range)
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

/**
 * The answer to a reader whose last records came from an epoch that ended before them (KIP-595):
 * where its log and ours part. Undefined for one who says nothing of epochs, and for one who is right.
 */
function divergenceOf(
  found: LocalPartition,
  request: PartitionRequest,
): PartitionAnswer | undefined {
  const { fetchOffset, lastFetchedEpoch } = request
  if (lastFetchedEpoch < 0) return undefined
  const { log } = found
  const end = endOfEpoch(found, lastFetchedEpoch)
  if (end === undefined) return failed(request, 'OFFSET_OUT_OF_RANGE')
  if (end.leaderEpoch === lastFetchedEpoch && end.endOffset >= fetchOffset) return undefined
  const divergingEpoch = { epoch: end.leaderEpoch, endOffset: end.endOffset }
  return { ...failed(request, 'NONE'), ...watermarks(log), divergingEpoch }
}

function outOfRange(log: PartitionLog, request: PartitionRequest): PartitionAnswer | undefined {
  const { fetchOffset } = request
  // Offsets between the high watermark and the end exist, yet nobody may read them so far.
  return fetchOffset < log.logStartOffset || fetchOffset > log.logEndOffset
    ? failed(request, 'OFFSET_OUT_OF_RANGE')
    : undefined
}

/** Without a result there are no records. */
function answerOf(
  { target, log }: Look,
  result: ReadResult | undefined,
  isCommittedOnly: boolean,
): PartitionAnswer {
  const isRead = result === undefined || result.ok
  const { highWatermark, lastStableOffset, logStartOffset } = log
  return {
    partitionIndex: target.request.partition,
    errorCode: isRead ? 'NONE' : result.errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    abortedTransactions: isCommittedOnly && isRead ? [] : null,
    records: result?.ok === true ? result.chunks : NO_RECORDS,
  }
}

const NO_RECORDS: readonly Uint8Array[] = []

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
