import type { PartitionLog } from '@fairlead/log'
import { type ErrorCode, type RequestOf, type ResponseBody, ZERO_UUID } from '@fairlead/protocol'
import { FETCH_WAIT_MAX_MS } from '../limits.ts'
import { read } from '../partitions/log-calls.ts'
import type { LocalPartition } from '../partitions/partition-table.ts'
import type { HandlerContext } from './handler.ts'
import { leaderEpochError } from './leader-epoch.ts'

type TopicRequest = RequestOf<'Fetch'>['topics'][number]
type PartitionRequest = TopicRequest['partitions'][number]
type TopicResponse = ResponseBody<'Fetch'>['responses'][number]
type PartitionResponse = TopicResponse['partitions'][number]

/** What is asked of one partition: the partition, or why it cannot be read. */
type Target = {
  readonly request: PartitionRequest
  readonly found: LocalPartition | ErrorCode
}

type TopicTargets = {
  readonly topic: string
  readonly topicId: string
  readonly targets: readonly Target[]
}

type Round = {
  readonly responses: readonly TopicResponse[]
  readonly sizeBytes: number
  readonly hasError: boolean
}

const NO_SESSION = 0
const READ_COMMITTED = 1

/**
 * Fetch (key 1), versions 4 to 18.
 *
 * v5   log start offset
 * v7   fetch sessions (KIP-227)
 * v9   current leader epoch (KIP-320)
 * v11  rack of the client (KIP-392)
 * v12  flexible; diverging epochs
 * v13  topic ids instead of names (KIP-516)
 * v15  replica state as a tagged field
 * v16  endpoints of new leaders (KIP-951)
 * v17  directory id of the replica
 * v18  high watermark of the replica
 *
 * A fetch waits until `minBytes` are there, an error is, or `maxWaitMs` has passed; it is completed
 * by the append that satisfies it. No sessions are kept: session id 0 tells the client to send full
 * requests, which is always legal.
 */
export async function handleFetch(
  request: RequestOf<'Fetch'>,
  context: HandlerContext,
): Promise<ResponseBody<'Fetch'>> {
  const { metrics, clock, delayedFetches } = context
  const { departure } = context.peer
  if (request.sessionId !== NO_SESSION) {
    return { errorCode: 'FETCH_SESSION_ID_NOT_FOUND', sessionId: NO_SESSION, responses: [] }
  }
  const waitMs = Math.min(Math.max(request.maxWaitMs, 0), FETCH_WAIT_MAX_MS)
  const deadlineMs = clock.nowMs() + waitMs
  const topics = request.topics.map((topic) => findTargets(topic, context))

  for (;;) {
    const watched = readablePartitions(topics).map(({ log }) => ({
      log,
      seenHighWatermark: log.highWatermark,
    }))
    const round = await readRound(topics, request, context)
    const remainingMs = deadlineMs - clock.nowMs()
    const isDone = round.hasError || round.sizeBytes >= request.minBytes || remainingMs <= 0
    if (isDone || departure.hasLeft || delayedFetches.isStopped) {
      for (const { topic, partitions } of round.responses) {
        metrics.fetched(topic ?? '', partitions.reduce(recordBytes, 0))
      }
      context.onSent(() => context.fetchMemory.release(round.sizeBytes))
      return { errorCode: 'NONE', sessionId: NO_SESSION, responses: round.responses }
    }
    context.fetchMemory.release(round.sizeBytes)
    await delayedFetches.waitForAppend(watched, remainingMs, departure)
  }
}

function findTargets(request: TopicRequest, context: HandlerContext): TopicTargets {
  const usesId = context.apiVersion >= 13
  const name = usesId ? context.image.topicName(request.topicId) : request.topic
  return {
    topic: name ?? '',
    topicId: usesId ? request.topicId : ZERO_UUID,
    targets: request.partitions.map((partition) => ({
      request: partition,
      found: name === undefined ? 'UNKNOWN_TOPIC_ID' : findPartition(name, partition, context),
    })),
  }
}

function findPartition(
  topic: string,
  request: PartitionRequest,
  { partitions }: HandlerContext,
): LocalPartition | ErrorCode {
  const found = partitions.get(topic, request.partition)
  if (found === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
  return leaderEpochError(request.currentLeaderEpoch, found.leaderEpoch) ?? found
}

function readablePartitions(topics: readonly TopicTargets[]): LocalPartition[] {
  return topics.flatMap(({ targets }) =>
    targets.map(({ found }) => found).filter((found) => typeof found === 'object'),
  )
}

/**
 * Reads every partition once, in the order of the request. The bytes that it returns are taken from
 * the fetch memory; the caller releases them.
 */
async function readRound(
  topics: readonly TopicTargets[],
  request: RequestOf<'Fetch'>,
  context: HandlerContext,
): Promise<Round> {
  const { config, fetchMemory } = context
  const wantedBytes = Math.max(0, Math.min(request.maxBytes, config['fetch.max.bytes']))
  const grantedBytes = fetchMemory.take(wantedBytes)
  let sizeBytes = 0
  let hasError = false
  const responses: TopicResponse[] = []
  for (const { topic, topicId, targets } of topics) {
    const partitions: PartitionResponse[] = []
    for (const target of targets) {
      const budgetBytes = Math.min(
        Math.max(target.request.partitionMaxBytes, 0),
        grantedBytes - sizeBytes,
      )
      // KIP-74: only the first batch of a response may be larger than what is left of the budget.
      const mayRead = sizeBytes === 0 || budgetBytes > 0
      const answer = await readPartition(target, {
        budgetBytes: mayRead ? Math.max(budgetBytes, 0) : undefined,
        isolationLevel: request.isolationLevel,
      })
      sizeBytes += recordBytes(0, answer)
      hasError ||= answer.errorCode !== 'NONE'
      partitions.push(answer)
    }
    responses.push({ topic, topicId, partitions })
  }
  fetchMemory.settle(grantedBytes, sizeBytes)
  return { responses, sizeBytes, hasError }
}

async function readPartition(
  { request, found }: Target,
  options: { readonly budgetBytes: number | undefined; readonly isolationLevel: number },
): Promise<PartitionResponse> {
  const { partition: partitionIndex, fetchOffset } = request
  if (typeof found === 'string') return failed(partitionIndex, found)

  const { log } = found
  const isCommittedOnly = options.isolationLevel === READ_COMMITTED
  const upTo = isCommittedOnly ? log.lastStableOffset : log.highWatermark
  const watermarks = {
    highWatermark: log.highWatermark,
    lastStableOffset: log.lastStableOffset,
    logStartOffset: log.logStartOffset,
  }
  const empty: PartitionResponse = {
    partitionIndex,
    errorCode: 'NONE',
    ...watermarks,
    abortedTransactions: isCommittedOnly ? [] : null,
    records: [],
  }
  if (isOutOfRange(fetchOffset, log)) return failed(partitionIndex, 'OFFSET_OUT_OF_RANGE', log)
  if (fetchOffset >= upTo || options.budgetBytes === undefined) return empty

  const result = await read(log, { fetchOffset, maxBytes: options.budgetBytes, upTo })
  if (!result.ok) return failed(partitionIndex, result.errorCode, log)
  return { ...empty, records: result.chunks }
}

/** Offsets between the high watermark and the end exist, yet nobody may read them so far. */
function isOutOfRange(fetchOffset: number, log: PartitionLog): boolean {
  return fetchOffset < log.logStartOffset || fetchOffset > log.logEndOffset
}

function failed(
  partitionIndex: number,
  errorCode: ErrorCode,
  log?: PartitionLog,
): PartitionResponse {
  return {
    partitionIndex,
    errorCode,
    highWatermark: log?.highWatermark ?? -1,
    lastStableOffset: log?.lastStableOffset ?? -1,
    logStartOffset: log?.logStartOffset ?? -1,
    abortedTransactions: null,
    records: [],
  }
}

function recordBytes(sum: number, { records }: PartitionResponse): number {
  if (records === null || records instanceof Uint8Array) return sum
  return records.reduce((total, chunk) => total + chunk.length, sum)
}
