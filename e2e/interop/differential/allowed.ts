import type { ApiName } from '@fairlead/protocol'
import type { Difference } from './differences.ts'

/** A difference that is meant, and why. One that no longer occurs must go. */
export type AllowedDifference = {
  readonly api: ApiName
  /** In these cases; in all of them unless given. */
  readonly what?: string
  readonly path: RegExp
  readonly reason: string
}

const CONFIG_LISTS =
  'Kafka lists keys of features that we do not have, such as share groups and tiers'
const REASON_TOLD = 'we tell why, Kafka leaves the message out'

export const ALLOWED: readonly AllowedDifference[] = [
  {
    api: 'Produce',
    what: 'no records',
    path: /^$/,
    reason: 'Kafka 4.4 fails inside and never answers; we answer INVALID_RECORD',
  },
  { api: 'Produce', path: /partitionResponses\.errorMessage$/, reason: REASON_TOLD },
  {
    api: 'Fetch',
    path: /abortedTransactions$/,
    reason: 'of an error: null and an empty list say the same',
  },
  {
    api: 'FindCoordinator',
    path: /^errorMessage$/,
    reason: 'Kafka writes "NONE" where there is no error; the field may be null',
  },
  { api: 'DeleteGroups', path: /errorMessage$/, reason: REASON_TOLD },
  {
    api: 'CreateTopics',
    what: 'validation alone',
    path: /^topics\.topicId$/,
    reason: 'Kafka draws an id that no topic gets; a topic that is not made has none here',
  },
  { api: 'CreateTopics', path: /^topics\.configs\.length$/, reason: CONFIG_LISTS },
  { api: 'DescribeConfigs', path: /^results\.configs\.length$/, reason: CONFIG_LISTS },
  { api: 'DescribeConfigs', path: /errorMessage$/, reason: REASON_TOLD },
  { api: 'CreatePartitions', path: /errorMessage$/, reason: REASON_TOLD },
  {
    api: 'IncrementalAlterConfigs',
    what: 'an unknown operation',
    path: /^responses\.(errorCode|errorMessage)$/,
    reason: 'Kafka fails inside (UNKNOWN_SERVER_ERROR); it is the client that is wrong',
  },
  {
    api: 'DescribeProducers',
    what: 'of an unknown topic',
    path: /errorMessage$/,
    reason: 'the error code says the same',
  },
  {
    api: 'DescribeTopicPartitions',
    what: 'an unknown topic',
    path: /topicAuthorizedOperations$/,
    reason: 'Kafka tells what one may do with a topic that is not there',
  },
  {
    api: 'DescribeTransactions',
    path: /errorCode$/,
    reason: 'Kafka has no transaction log before the first transaction; we have none at all',
  },
]

export function allowedBy(
  api: ApiName,
  what: string,
  { path }: Difference,
): AllowedDifference | undefined {
  return ALLOWED.find(
    (allowed) =>
      allowed.api === api &&
      (allowed.what === undefined || allowed.what === what) &&
      allowed.path.test(path),
  )
}
