import type { ErrorCode, RequestOf, ResponseBody } from '@fairlead/protocol'
import { type AnsweredTarget, bytesByTopic, groupByTopic } from '../fetching/fetch-target.ts'
import type { OpenedFetch } from '../fetching/fetch-sessions.ts'
import { type Round, readRound } from '../fetching/read-round.ts'
import { FETCH_WAIT_MAX_MS } from '../limits.ts'
import type { HandlerContext } from './handler.ts'

const NO_SESSION = 0
const READ_COMMITTED = 1
const ENDPOINTS_SINCE_VERSION = 16
const LEADER_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'FENCED_LEADER_EPOCH',
  'NOT_LEADER_OR_FOLLOWER',
])

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
 * by the append that satisfies it. In a session the answer has only what is new to the client.
 *
 * A client above its quota gets no records, and waits before its next request (KIP-219).
 *
 * One answer holds about a megabyte, whatever the client would take (`FetchPace`).
 *
 * It begins once every earlier request of its connection is answered, as in Kafka: records that are
 * read sooner would hold memory that all fetches share, for as long as a JoinGroup before it waits.
 */
export async function handleFetch(
  request: RequestOf<'Fetch'>,
  context: HandlerContext,
): Promise<ResponseBody<'Fetch'>> {
  const { apiVersion, clock, fetchSessions, metrics } = context
  const { fetchPace, readAhead } = context.peer
  fetchPace.asked(clock.nowMs())
  const fetch = fetchSessions.open(request, { apiVersion, nowMs: clock.nowMs() })
  if (fetch.kind === 'refused') {
    return { errorCode: fetch.errorCode, sessionId: NO_SESSION, responses: [] }
  }
  const { fetchTurns } = context.peer
  if (!fetchTurns.takeNow()) await fetchTurns.take()
  context.onSent(() => fetchTurns.end())
  if (!context.turn.isOldest) await context.turn.whenOldest()
  if (context.peer.departure.isGone) {
    return { errorCode: 'NONE', sessionId: NO_SESSION, responses: [] }
  }
  const round = await readEnough(fetch, request, context)
  if (!context.quota.mayFetch(round.sizeBytes)) {
    round.release()
    return throttled(fetch, context)
  }
  context.onSent(() => {
    round.release()
    if (round.isCut) fetchPace.sent(clock.nowMs())
    if (round.next !== undefined) readAhead.begin(round.next, context.fetchMemory)
  })
  const { errorCode, sessionId, answered } = fetchSessions.answer(
    fetch,
    round.answered,
    clock.nowMs(),
  )
  for (const [topicName, sizeBytes] of bytesByTopic(answered)) metrics.fetched(topicName, sizeBytes)
  for (const { topicName, answer } of answered) {
    if (answer.errorCode === 'KAFKA_STORAGE_ERROR') metrics.fetchFailed(topicName)
  }
  const { told, nodeEndpoints } = withLeaders(answered, context)
  return { errorCode, sessionId, responses: groupByTopic(told), nodeEndpoints }
}

/** The session goes on as if nothing was new: what was read is read again later. */
function throttled(
  fetch: Exclude<OpenedFetch, { readonly kind: 'refused' }>,
  { clock, fetchSessions }: HandlerContext,
): ResponseBody<'Fetch'> {
  const { errorCode, sessionId } =
    fetch.kind === 'incremental'
      ? fetchSessions.answer(fetch, [], clock.nowMs())
      : ({ errorCode: 'NONE', sessionId: NO_SESSION } as const)
  return { errorCode, sessionId, responses: [] }
}

/** To those who took another for the leader: who it is, and where (KIP-951). */
function withLeaders(
  answered: readonly AnsweredTarget[],
  { apiVersion, node, partitions }: HandlerContext,
): Pick<ResponseBody<'Fetch'>, 'nodeEndpoints'> & { readonly told: readonly AnsweredTarget[] } {
  const isMistaken = ({ answer }: AnsweredTarget): boolean => LEADER_ERRORS.has(answer.errorCode)
  if (apiVersion < ENDPOINTS_SINCE_VERSION || !answered.some(isMistaken)) return { told: answered }
  const told = answered.map((each) => {
    const { answer, topicName } = each
    if (!isMistaken(each)) return each
    const leaderEpoch = partitions.get(topicName, answer.partitionIndex)?.leaderEpoch
    const currentLeader = { leaderId: node.nodeId, leaderEpoch }
    return { ...each, answer: { ...answer, currentLeader } }
  })
  const { nodeId, host, port, rack } = node
  return { told, nodeEndpoints: [{ nodeId, host, port, rack }] }
}

/** Reads until there is enough to answer. */
async function readEnough(
  { targets, kind }: Exclude<OpenedFetch, { readonly kind: 'refused' }>,
  request: RequestOf<'Fetch'>,
  context: HandlerContext,
): Promise<Round> {
  const { clock, config, delayedFetches, fetchMemory } = context
  const { departure, fetchPace, readAhead } = context.peer
  const wantedBytes = Math.min(
    request.maxBytes,
    config['fetch.max.bytes'],
    context.quota.fetchBytesMax,
    Math.max(fetchPace.answerBytes(targets.length), request.minBytes),
  )
  // A session has an order of its own.
  const first = kind === 'incremental' ? 0 : fetchPace.turn(targets)
  const inTurn = rotated(targets, first)
  const maxBytes = Math.max(0, Math.floor(wantedBytes))
  const minBytes = Math.min(request.minBytes, maxBytes)
  const isCommittedOnly = request.isolationLevel === READ_COMMITTED
  // The field moved; that of the other version has its default.
  const isFollower = Math.max(request.replicaId, request.replicaState.replicaId) >= 0
  const waitMs = Math.min(Math.max(request.maxWaitMs, 0), FETCH_WAIT_MAX_MS)
  const deadlineMs = clock.nowMs() + waitMs
  for (;;) {
    const delayForMemoryMs = deadlineMs - clock.nowMs()
    const grantedBytes =
      fetchMemory.takeNow(maxBytes) ??
      (await fetchMemory.take(maxBytes, { delayMs: delayForMemoryMs, departure }))
    const options = { targets: inTurn, grantedBytes, isCommittedOnly, isFollower, readAhead }
    const reading = readRound(options, context)
    const round = reading instanceof Promise ? await reading : reading
    const delayMs = deadlineMs - clock.nowMs()
    const missingBytes = minBytes - round.sizeBytes
    const isEnough = round.isFinal || missingBytes <= 0 || targets.length === 0 || delayMs <= 0
    if (isEnough || departure.hasLeft || delayedFetches.isStopped) {
      readAhead.drop()
      fetchPace.served(round.answered)
      return first === 0 ? round : { ...round, answered: rotated(round.answered, -first) }
    }
    round.release()
    await delayedFetches.waitForBytes(round.watched, missingBytes, { delayMs, departure })
  }
}

/** Beginning with the element at `first`, or, below 0, with the last of them. */
function rotated<Element>(elements: readonly Element[], first: number): readonly Element[] {
  return first % elements.length === 0
    ? elements
    : [...elements.slice(first), ...elements.slice(0, first)]
}
