import { DecodeError } from '@fairlead/base'
import { isInternalTopic } from '@fairlead/metadata'
import { type ErrorCode, type RequestOf, type ResponseBody, ZERO_UUID } from '@fairlead/protocol'
import { append } from '../partitions/log-calls.ts'
import type { LocalPartition } from '../partitions/partition-table.ts'
import { EndConnection, type HandlerContext, NO_RESPONSE } from './handler.ts'
import { keylessRecords } from './keyless-records.ts'

type TopicRequest = RequestOf<'Produce'>['topicData'][number]
type PartitionRequest = TopicRequest['partitionData'][number]
type PartitionResponse = ResponseBody<'Produce'>['responses'][number]['partitionResponses'][number]

const ACKS_NONE = 0
const ACKS_LEADER = 1
const ACKS_ALL = -1

/**
 * Produce (key 0), versions 3 to 13. 0 to 2 are advertised, because librdkafka before 2.11.1 turns
 * compression off without them (KAFKA-18659), and refused: they carry message sets of magic 0 and 1.
 *
 * v3   record batches of magic 2 only; transactional id
 * v5   log start offset in the response
 * v8   error message and offending records per partition (KIP-467)
 * v9   flexible
 * v10  current leader in the response (KIP-951)
 * v12  transactions of version 2 (KIP-890)
 * v13  topic ids instead of names (KIP-516)
 *
 * Partitions fail one by one; the request as a whole never does. With acks=0 there is no response;
 * a failure ends the connection instead.
 * With one replica, `acks=1` and `acks=all` are the same: the append counts once the topic's
 * durability mode says so, and the disk has no deadline, so REQUEST_TIMED_OUT does not occur.
 */
export async function handleProduce(
  request: RequestOf<'Produce'>,
  context: HandlerContext,
): Promise<ResponseBody<'Produce'> | typeof NO_RESPONSE | EndConnection> {
  const responses = await Promise.all(
    request.topicData.map(async (topic) => {
      const usesId = context.apiVersion >= 13
      const name = usesId ? context.image.topicName(topic.topicId) : topic.name
      const partitionResponses = await Promise.all(
        topic.partitionData.map((partition) => producePartition(name, partition, request, context)),
      )
      return {
        name: usesId ? '' : topic.name,
        topicId: usesId ? topic.topicId : ZERO_UUID,
        partitionResponses,
      }
    }),
  )
  return request.acks === ACKS_NONE ? withoutResponse(responses) : { responses }
}

/** A failure ends the connection, so that the producer asks for metadata again, as in Kafka. */
function withoutResponse(
  responses: readonly { readonly partitionResponses: readonly PartitionResponse[] }[],
): typeof NO_RESPONSE | EndConnection {
  const failure = responses
    .flatMap(({ partitionResponses }) => partitionResponses)
    .find(({ errorCode }) => errorCode !== 'NONE')
  if (failure === undefined) return NO_RESPONSE
  return new EndConnection(`a produce request with acks=0 failed: ${failure.errorCode}`)
}

/** Why nothing of this topic may be written, whatever the records are. */
function refusalOf(
  { acks, transactionalId }: RequestOf<'Produce'>,
  topic: string,
): ErrorCode | undefined {
  if (acks !== ACKS_NONE && acks !== ACKS_LEADER && acks !== ACKS_ALL) {
    return 'INVALID_REQUIRED_ACKS'
  }
  if (transactionalId !== null) return 'UNSUPPORTED_VERSION'
  return isInternalTopic(topic) ? 'INVALID_TOPIC_EXCEPTION' : undefined
}

/** Runs up to the append without waiting: batches of one producer keep their order. */
async function producePartition(
  topic: string | undefined,
  { index, records }: PartitionRequest,
  request: RequestOf<'Produce'>,
  { metrics, partitions, clock }: HandlerContext,
): Promise<PartitionResponse> {
  if (topic === undefined) return refused({ index }, 'UNKNOWN_TOPIC_ID')
  const refusal = refusalOf(request, topic)
  if (refusal !== undefined) return refused({ index }, refusal)
  const target = partitions.get(topic, index)
  if (target === undefined) return refused({ index }, 'UNKNOWN_TOPIC_OR_PARTITION')
  if (records === null || records.length === 0) {
    return refused({ index }, 'INVALID_RECORD', 'a produce request carries record batches')
  }
  const isCompacted = target.cleanupPolicy.includes('compact')
  const rejected = isCompacted ? rejectKeyless(target, index, records) : undefined
  if (rejected !== undefined) return rejected

  const result = await append(target.log, records, {
    leaderEpoch: target.leaderEpoch,
    nowMs: clock.wallNowMs(),
    origin: 'client',
  })
  if (!result.ok) {
    metrics.produceFailed(topic, records.length)
    return refused({ index }, result.errorCode, result.message)
  }
  if (!result.duplicate) {
    metrics.produced(topic, {
      bytes: records.length,
      records: result.lastOffset - result.baseOffset + 1,
    })
  }
  return {
    index,
    errorCode: 'NONE',
    baseOffset: result.baseOffset,
    logAppendTimeMs: result.logAppendTimeMs,
    logStartOffset: result.logStartOffset,
  }
}

/** A record without a key could never be compacted away (KIP-467 names the offending ones). */
function rejectKeyless(
  target: LocalPartition,
  index: number,
  records: Uint8Array,
): PartitionResponse | undefined {
  let batchIndexes: number[]
  try {
    batchIndexes = keylessRecords(records)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return refused({ index }, 'CORRUPT_MESSAGE', error.message)
  }
  if (batchIndexes.length === 0) return undefined
  return {
    ...refused({ index }, 'INVALID_RECORD', 'one or more records have been rejected'),
    recordErrors: batchIndexes.map((batchIndex) => ({
      batchIndex,
      batchIndexErrorMessage: `a compacted topic (${target.topic}) takes no record without a key`,
    })),
  }
}

function refused(
  { index }: { readonly index: number },
  errorCode: ErrorCode,
  errorMessage: string | null = null,
): PartitionResponse {
  return { index, errorCode, errorMessage, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 }
}
