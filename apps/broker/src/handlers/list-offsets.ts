import type { TimestampLookup } from '@fairlead/log'
import type { ErrorCode, RequestOf, ResponseBody } from '@fairlead/protocol'
import { offsetForTimestamp, offsetOfMaxTimestamp } from '../partitions/log-calls.ts'
import type { LocalPartition } from '../partitions/partition-table.ts'
import type { HandlerContext } from './handler.ts'
import { leaderEpochError } from './leader-epoch.ts'

type PartitionRequest = RequestOf<'ListOffsets'>['topics'][number]['partitions'][number]
type PartitionResponse = ResponseBody<'ListOffsets'>['topics'][number]['partitions'][number]

const LATEST = -1
const EARLIEST = -2
const MAX_TIMESTAMP = -3
const EARLIEST_LOCAL = -4
const LATEST_TIERED = -5
const EARLIEST_PENDING_UPLOAD = -6
/** A timestamp that means something else in earlier versions is a mistake there. */
const SINCE_VERSION: ReadonlyMap<number, number> = new Map([
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
  [EARLIEST_PENDING_UPLOAD, 11],
])

const UNKNOWN = -1
/** Kafka's: the log as a replica sees it, beyond the high watermark. */
const DEBUGGING_REPLICA_ID = -2
const READ_COMMITTED = 1

/**
 * ListOffsets (key 2), versions 1 to 11.
 *
 * v1   one offset per partition
 * v2   isolation level
 * v4   leader epochs (KIP-320)
 * v6   flexible
 * v7   -3, the offset of the greatest timestamp (KIP-734)
 * v8   -4, the earliest offset on local disk (KIP-405)
 * v9   -5, the latest offset in tiered storage (KIP-1005)
 * v11  -6, the earliest offset not yet in tiered storage (KIP-1023)
 *
 * There is no tiered storage: -4 is the earliest offset, -5 and -6 are unknown.
 */
export async function handleListOffsets(
  request: RequestOf<'ListOffsets'>,
  context: HandlerContext,
): Promise<ResponseBody<'ListOffsets'>> {
  const repeated = repeatedPartitions(request)
  const topics = request.topics.map(async ({ name, partitions }) => {
    const asked = partitions.filter((partition) => !repeated.has(keyOf(name, partition)))
    const refused = partitions.filter((partition) => repeated.has(keyOf(name, partition)))
    const refusedIndexes = new Set(refused.map(({ partitionIndex }) => partitionIndex))
    return {
      name,
      partitions: [
        ...Array.from(refusedIndexes, (index) => failed(index, 'INVALID_REQUEST')),
        ...(await Promise.all(
          asked.map((partition) => listOffset(name, partition, request, context)),
        )),
      ],
    }
  })
  return { topics: await Promise.all(topics) }
}

/** What is meant by a partition that is named twice is unclear. */
function repeatedPartitions({ topics }: RequestOf<'ListOffsets'>): ReadonlySet<string> {
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const { name, partitions } of topics) {
    for (const partition of partitions) {
      const key = keyOf(name, partition)
      if (seen.has(key)) repeated.add(key)
      seen.add(key)
    }
  }
  return repeated
}

function keyOf(topic: string, { partitionIndex }: PartitionRequest): string {
  return `${topic}-${partitionIndex}`
}

async function listOffset(
  topic: string,
  request: PartitionRequest,
  { isolationLevel, replicaId }: RequestOf<'ListOffsets'>,
  { partitions, lookups, apiVersion }: HandlerContext,
): Promise<PartitionResponse> {
  const { partitionIndex, currentLeaderEpoch } = request
  if (apiVersion < (SINCE_VERSION.get(request.timestamp) ?? 0)) {
    return failed(partitionIndex, 'UNSUPPORTED_VERSION')
  }
  const target = partitions.get(topic, partitionIndex)
  if (target === undefined) {
    return failed(partitionIndex, partitions.errorOfMissing(topic, partitionIndex))
  }
  const epochError = leaderEpochError(currentLeaderEpoch, target.leaderEpoch)
  if (epochError !== undefined) return failed(partitionIndex, epochError)

  const { log, leaderEpoch } = target
  const at = (offset: number): PartitionResponse => ({
    ...failed(partitionIndex, 'NONE'),
    offset,
    leaderEpoch,
  })
  const lookUp = async (find: () => Promise<TimestampLookup>): Promise<PartitionResponse> =>
    lookedUp(target, partitionIndex, await lookups.run(find))
  switch (request.timestamp) {
    case LATEST:
      if (replicaId === DEBUGGING_REPLICA_ID) return at(log.logEndOffset)
      return at(isolationLevel === READ_COMMITTED ? log.lastStableOffset : log.highWatermark)
    case EARLIEST:
    case EARLIEST_LOCAL:
      return at(log.logStartOffset)
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return failed(partitionIndex, 'NONE')
    case MAX_TIMESTAMP:
      return lookUp(() => offsetOfMaxTimestamp(log))
    default:
      if (request.timestamp < 0) return failed(partitionIndex, 'UNSUPPORTED_VERSION')
      return lookUp(() => offsetForTimestamp(log, request.timestamp))
  }
}

/** A record that is not yet below the high watermark does not exist for clients. */
function lookedUp(
  { log }: LocalPartition,
  partitionIndex: number,
  lookup: TimestampLookup,
): PartitionResponse {
  if (!lookup.ok) return failed(partitionIndex, lookup.errorCode)
  const { found } = lookup
  if (found === null || found.offset >= log.highWatermark) return failed(partitionIndex, 'NONE')
  const { offset, timestampMs: timestamp, leaderEpoch } = found
  return { partitionIndex, errorCode: 'NONE', offset, timestamp, leaderEpoch }
}

function failed(partitionIndex: number, errorCode: ErrorCode): PartitionResponse {
  return {
    partitionIndex,
    errorCode,
    timestamp: UNKNOWN,
    offset: UNKNOWN,
    leaderEpoch: UNKNOWN,
  }
}
