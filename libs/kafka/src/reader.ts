import { DecodeError, invariant } from '@fairlead/base'
import type { ClientOptions, FetchRequest, FetchResult, Reader } from './clients.ts'
import { Cluster } from './cluster.ts'
import { closedError, responseError } from './error-codes.ts'
import { type FetchAnswer, NO_EPOCH, fetchExchange } from './requests/fetch.ts'
import { KafkaError } from './kafka-error.ts'
import { decodeRecordBatches } from './record-batch-decoder.ts'
import { type Remaining, retrying } from './retrying.ts'

/** Errors after which the leader is asked for again. */
const STALE_LEADER: ReadonlySet<string> = new Set([
  'NOT_LEADER_OR_FOLLOWER',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'KAFKA_STORAGE_ERROR',
  'BROKER_NOT_AVAILABLE',
  'NETWORK',
  'TIMEOUT',
])

export function createReader(options: ClientOptions): Reader {
  const cluster = new Cluster(options)
  return {
    fetch: (request) => fetchRecords(cluster, request),
    close: () => Promise.resolve(cluster.close()),
  }
}

/** Kafka's code for what a quota refuses. */
const THROTTLING_QUOTA_EXCEEDED = 89

/** One fetch of one partition from its leader, retried until `maxWaitMs` + the request timeout. */
export function fetchRecords(cluster: Cluster, request: FetchRequest): Promise<FetchResult> {
  invariant(request.maxWaitMs >= 0 && request.maxBytes > 0, 'a fetch waits for some bytes')
  const { topic, partition } = request
  if (cluster.closing.aborted) return Promise.reject(closedError())
  return retrying(
    {
      what: `Fetch of ${topic}-${partition}`,
      timeoutMs: request.maxWaitMs + cluster.requestTimeoutMs,
      signal: request.signal,
      onRetry: (error) => {
        if (STALE_LEADER.has(error.code)) cluster.forgetLeaders(topic)
        cluster.logger?.debug({ topic, partition, code: error.code }, 'fetch is tried again')
      },
    },
    (remaining) => fetchOnce(cluster, request, remaining),
  )
}

async function fetchOnce(
  cluster: Cluster,
  request: FetchRequest,
  remaining: Remaining,
): Promise<FetchResult> {
  const { topic, partition, fromOffset, signal } = request
  const leader = await cluster.findLeader(topic, partition, { timeoutMs: remaining(), signal })
  const leaderEpoch = cluster.leaderEpochOf(topic, partition) ?? NO_EPOCH
  const call = {
    ...request,
    fetchOffset: fromOffset,
    topicId: request.topicId,
    lastFetchedEpoch: request.lastFetchedEpoch ?? NO_EPOCH,
  }
  const options = { timeoutMs: remaining(), signal }
  const answer = await cluster.withBroker(
    leader,
    (connection) => connection.exchange(fetchExchange(call), options),
    options,
  )
  const what = `Fetch of ${topic}-${partition} from ${fromOffset}`
  // The next attempt waits in the connection, which the broker does not read until the quota has room.
  if (answer === undefined) throw responseError(THROTTLING_QUOTA_EXCEEDED, what)
  if (answer.errorCode !== 0) {
    const error = responseError(answer.errorCode, what)
    if (error.code === 'OFFSET_OUT_OF_RANGE') throw lostPlace(error, request, leaderEpoch)
    // Kafka's clients ask for the topic's new id; who names one wants that topic and no other.
    if (error.code !== 'UNKNOWN_TOPIC_ID') throw error
    throw new KafkaError(error.message, { code: error.code, retryable: false })
  }
  const { highWatermark, logStartOffset, divergingEndOffset } = answer
  if (divergingEndOffset !== undefined) {
    const error = new KafkaError(
      `${topic}-${partition} was cut at offset ${divergingEndOffset}: the record before ${fromOffset} is gone`,
      { code: 'LOG_TRUNCATED', retryable: false },
    )
    throw lostPlace(error, request, leaderEpoch)
  }
  return { ...decodeOrFail(cluster, answer, request), highWatermark, logStartOffset }
}

/**
 * A leader that was replaced, and is cut off from those who would tell it, knows nothing of what its successors were
 * given, and its metadata names itself: other brokers are asked. Its epoch is below that of a record that was fetched.
 */
function lostPlace(error: KafkaError, request: FetchRequest, leaderEpoch: number): KafkaError {
  const { lastFetchedEpoch = NO_EPOCH } = request
  if (leaderEpoch === NO_EPOCH || leaderEpoch >= lastFetchedEpoch) return error
  return new KafkaError(
    `${error.message}; a leader of epoch ${leaderEpoch} says so, and a record of epoch ${lastFetchedEpoch} was fetched before`,
    { code: 'FENCED_LEADER_EPOCH', retryable: true, cause: error },
  )
}

function decodeOrFail(
  { keyTexts }: Cluster,
  { batches, abortedTransactions }: FetchAnswer,
  request: FetchRequest,
) {
  const { topic, partition, fromOffset } = request
  try {
    const decoded = decodeRecordBatches(batches, request, abortedTransactions, keyTexts)
    if (batches.length > 0 && decoded.nextOffset === fromOffset) {
      throw new DecodeError('the response holds no whole batch', 0)
    }
    return decoded
  } catch (error) {
    throw new KafkaError(`records of ${topic}-${partition} from ${fromOffset} cannot be decoded`, {
      code: 'CORRUPT_MESSAGE',
      retryable: false,
      cause: error,
    })
  }
}
