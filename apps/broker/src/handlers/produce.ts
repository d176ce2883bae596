import { DecodeError } from '@fairlead/base'
import { type AppendRefusal, mustOpen } from '@fairlead/log'
import { isInternalTopic } from '@fairlead/metadata'
import {
  type BatchHeader,
  type ErrorCode,
  type RequestOf,
  type ResponseBody,
  ZERO_UUID,
  readBatchHeader,
} from '@fairlead/protocol'
import { append } from '../partitions/log-calls.ts'
import { EndConnection, type HandlerContext, NO_RESPONSE } from './handler.ts'

type TopicRequest = RequestOf<'Produce'>['topicData'][number]
type PartitionRequest = TopicRequest['partitionData'][number]
type PartitionResponse = ResponseBody<'Produce'>['responses'][number]['partitionResponses'][number]

const ACKS_NONE = 0
const ACKS_LEADER = 1
const ACKS_ALL = -1
/** KIP-110. */
const ZSTD_SINCE_VERSION = 7
/** KIP-516. */
const IDS_SINCE_VERSION = 13
const RECORD_ERRORS_SHOWN = 3
const LOG_START_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_EPOCH',
])
/** Instead of an opened batch: it goes into the log as it came. */
const AS_IT_IS = Symbol('as it is')

/**
 * Produce (key 0), versions 3 to 13. 0 to 2 are advertised, because librdkafka before 2.11.1 turns
 * compression off without them (KAFKA-18659), and refused: they carry message sets of magic 0 and 1.
 *
 * v3   record batches of magic 2 only; transactional id
 * v5   log start offset in the response
 * v7   zstd (KIP-110)
 * v8   error message and offending records per partition (KIP-467)
 * v9   flexible
 * v10  current leader in the response (KIP-951)
 * v12  transactions of version 2 (KIP-890)
 * v13  topic ids instead of names (KIP-516)
 *
 * Partitions fail one by one; the request as a whole never does. With acks=0 there is no response;
 * a failure ends the connection instead.
 * With one replica, `acks=1` and `acks=all` are the same: the append counts once the topic's
 * durability mode says so. The timeout of the request is not looked at, since the disk has no
 * deadline; REQUEST_TIMED_OUT says that so much waits for the disk that nothing more was appended.
 */
export async function handleProduce(
  request: RequestOf<'Produce'>,
  context: HandlerContext,
): Promise<ResponseBody<'Produce'> | typeof NO_RESPONSE | EndConnection> {
  const usesIds = context.apiVersion >= IDS_SINCE_VERSION
  const underWay: Promise<PartitionResponse>[] = []
  for (const { name, topicId, partitionData } of request.topicData) {
    const topic = usesIds ? context.image.topicName(topicId) : name
    for (const partition of partitionData) {
      underWay.push(producePartition(topic, partition, request, context))
    }
  }
  // Most requests have a batch for one partition.
  const [only] = underWay
  const answers =
    only !== undefined && underWay.length === 1 ? [await only] : await Promise.all(underWay)
  let next = 0
  const responses = request.topicData.map(({ name, topicId, partitionData }) => ({
    name: usesIds ? '' : name,
    topicId: usesIds ? topicId : ZERO_UUID,
    partitionResponses: answers.slice(next, (next += partitionData.length)),
  }))
  if (responses.every(isAppended)) context.freeFrame()
  return request.acks === ACKS_NONE ? withoutResponse(responses) : { responses }
}

/** What was refused may still be on its way to a disk that failed: only then its bytes stay. */
function isAppended({
  partitionResponses,
}: {
  readonly partitionResponses: readonly PartitionResponse[]
}): boolean {
  return partitionResponses.every(({ errorCode }) => errorCode === 'NONE')
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

/**
 * Runs up to the append without waiting, or takes its turn at the partition: batches of one producer
 * keep their order.
 */
async function producePartition(
  topic: string | undefined,
  { index, records }: PartitionRequest,
  request: RequestOf<'Produce'>,
  context: HandlerContext,
): Promise<PartitionResponse> {
  const { metrics, partitions, clock, batchOpener, partitionOrder, apiVersion } = context
  if (topic === undefined) return refused({ index }, 'UNKNOWN_TOPIC_ID')
  const refusal = refusalOf(request, topic)
  if (refusal !== undefined) return refused({ index }, refusal)
  const target = partitions.get(topic, index)
  if (target === undefined) return refused({ index }, partitions.errorOfMissing(topic, index))
  if (records === null || records.length === 0) {
    return refused({ index }, 'INVALID_RECORD', 'a produce request carries record batches')
  }
  const header = headerOf(records)
  const wrong = header && headerRefusal(header, records, apiVersion)
  if (wrong !== undefined) return refused({ index }, wrong.errorCode, wrong.message)

  const nowMs = clock.wallNowMs()
  const isOpened = header !== undefined && mustOpen(header, target.config)
  const ready = isOpened ? batchOpener.open(records, target.config, nowMs) : AS_IT_IS
  const appending = partitionOrder.run(target, ready, (opened) => {
    if (opened !== AS_IT_IS && !opened.ok) return opened
    const { log, leaderEpoch } = target
    const stored = opened === AS_IT_IS ? records : opened.records
    return append(log, stored, { leaderEpoch, nowMs, origin: 'client' })
  })
  const result = appending instanceof Promise ? await appending : appending
  if (!result.ok) {
    metrics.produceFailed(topic, records.length, result.rejected)
    const { errorCode, message, recordErrors = [] } = inKafkasWords(result, `${topic}-${index}`)
    return {
      ...refused({ index }, errorCode, message),
      logStartOffset: tellsLogStart(result) ? target.log.logStartOffset : -1,
      recordErrors: recordErrors.map((error) => ({
        batchIndex: error.batchIndex,
        batchIndexErrorMessage: error.message,
      })),
    }
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

/** Producers show these to their users, who look for them: the words name the partition. */
function inKafkasWords(refusal: AppendRefusal, partition: string): AppendRefusal {
  if (refusal.rejected !== 'noKeyCompactedTopic') return refusal
  const message = `Compacted topic cannot accept message without key in topic partition ${partition}`
  const recordErrors = (refusal.recordErrors ?? []).map(({ batchIndex }) => ({
    batchIndex,
    message,
  }))
  const shown = recordErrors
    .slice(0, RECORD_ERRORS_SHOWN)
    .map(({ batchIndex }) => `RecordError(batchIndex=${batchIndex}, message='${message}')`)
  const summary = `One or more records have been rejected due to ${recordErrors.length} record errors in total, and only showing the first three errors at most: [${shown.join(', ')}]`
  return { ...refusal, message: summary, recordErrors }
}

/** As in Kafka: an error that is about the records, and not about the request, the disk, or their size. */
function tellsLogStart({ errorCode, rejected }: AppendRefusal): boolean {
  return LOG_START_ERRORS.has(errorCode) && rejected !== 'invalidMagicNumber'
}

/** Undefined for bytes that are no batch: the log says what is wrong with them. */
function headerOf(records: Uint8Array): BatchHeader | undefined {
  try {
    return readBatchHeader(records, 0)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** What the version of the request does not allow, as in Kafka's `ProduceRequest.validateRecords`. */
function headerRefusal(
  { sizeBytes, compression }: BatchHeader,
  records: Uint8Array,
  apiVersion: number,
): { readonly errorCode: ErrorCode; readonly message: string } | undefined {
  if (sizeBytes < records.length) {
    const message = `Produce requests with version ${apiVersion} are only allowed to contain exactly one record batch per partition`
    return { errorCode: 'INVALID_RECORD', message }
  }
  if (compression === 'zstd' && apiVersion < ZSTD_SINCE_VERSION) {
    const message = `Produce requests with version ${apiVersion} are not allowed to use ZStandard compression`
    return { errorCode: 'UNSUPPORTED_COMPRESSION_TYPE', message }
  }
  return undefined
}

function refused(
  { index }: { readonly index: number },
  errorCode: ErrorCode,
  errorMessage: string | null = null,
): PartitionResponse {
  return { index, errorCode, errorMessage, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 }
}
