import { CREATE_ACLS, DELETE_ACLS, DESCRIBE_ACLS } from './messages/acls.ts'
import {
  CREATE_TOPICS,
  DELETE_TOPICS,
  DESCRIBE_CLUSTER,
  DESCRIBE_CONFIGS,
  INIT_PRODUCER_ID,
} from './messages/admin.ts'
import type { ApiDefinition } from './messages/api-definition.ts'
import { API_VERSIONS } from './messages/api-versions.ts'
import { ALTER_CLIENT_QUOTAS, DESCRIBE_CLIENT_QUOTAS } from './messages/client-quotas.ts'
import {
  ALTER_CONFIGS,
  INCREMENTAL_ALTER_CONFIGS,
  LIST_CONFIG_RESOURCES,
} from './messages/configs.ts'
import { FETCH } from './messages/fetch.ts'
import {
  DELETE_GROUPS,
  DESCRIBE_GROUPS,
  FIND_COORDINATOR,
  HEARTBEAT,
  JOIN_GROUP,
  LEAVE_GROUP,
  LIST_GROUPS,
  SYNC_GROUP,
} from './messages/groups.ts'
import { LIST_OFFSETS } from './messages/list-offsets.ts'
import { ALTER_REPLICA_LOG_DIRS, DESCRIBE_LOG_DIRS } from './messages/log-dirs.ts'
import { METADATA } from './messages/metadata.ts'
import { OFFSET_COMMIT, OFFSET_DELETE, OFFSET_FETCH } from './messages/offsets.ts'
import {
  ALTER_PARTITION_REASSIGNMENTS,
  CREATE_PARTITIONS,
  DELETE_RECORDS,
  DESCRIBE_TOPIC_PARTITIONS,
  ELECT_LEADERS,
  LIST_PARTITION_REASSIGNMENTS,
  OFFSET_FOR_LEADER_EPOCH,
} from './messages/partitions.ts'
import { PRODUCE } from './messages/produce.ts'
import { DESCRIBE_QUORUM, UPDATE_FEATURES } from './messages/quorum.ts'
import { DESCRIBE_USER_SCRAM_CREDENTIALS } from './messages/scram.ts'
import {
  DESCRIBE_PRODUCERS,
  DESCRIBE_TRANSACTIONS,
  LIST_TRANSACTIONS,
} from './messages/transactions.ts'
import type { Decoded, Encodable, Fields } from './schema/field.ts'

/**
 * The APIs that are described, under the names that Kafka gives them. The types are listed beside the
 * values because declarations must not need inference (`isolatedDeclarations`).
 */
type Definitions = {
  readonly Produce: typeof PRODUCE
  readonly Fetch: typeof FETCH
  readonly ListOffsets: typeof LIST_OFFSETS
  readonly Metadata: typeof METADATA
  readonly OffsetCommit: typeof OFFSET_COMMIT
  readonly OffsetFetch: typeof OFFSET_FETCH
  readonly FindCoordinator: typeof FIND_COORDINATOR
  readonly JoinGroup: typeof JOIN_GROUP
  readonly Heartbeat: typeof HEARTBEAT
  readonly LeaveGroup: typeof LEAVE_GROUP
  readonly SyncGroup: typeof SYNC_GROUP
  readonly DescribeGroups: typeof DESCRIBE_GROUPS
  readonly ListGroups: typeof LIST_GROUPS
  readonly ApiVersions: typeof API_VERSIONS
  readonly CreateTopics: typeof CREATE_TOPICS
  readonly DeleteTopics: typeof DELETE_TOPICS
  readonly DeleteRecords: typeof DELETE_RECORDS
  readonly InitProducerId: typeof INIT_PRODUCER_ID
  readonly OffsetForLeaderEpoch: typeof OFFSET_FOR_LEADER_EPOCH
  readonly DescribeAcls: typeof DESCRIBE_ACLS
  readonly CreateAcls: typeof CREATE_ACLS
  readonly DeleteAcls: typeof DELETE_ACLS
  readonly DescribeConfigs: typeof DESCRIBE_CONFIGS
  readonly AlterConfigs: typeof ALTER_CONFIGS
  readonly AlterReplicaLogDirs: typeof ALTER_REPLICA_LOG_DIRS
  readonly DescribeLogDirs: typeof DESCRIBE_LOG_DIRS
  readonly CreatePartitions: typeof CREATE_PARTITIONS
  readonly DeleteGroups: typeof DELETE_GROUPS
  readonly ElectLeaders: typeof ELECT_LEADERS
  readonly IncrementalAlterConfigs: typeof INCREMENTAL_ALTER_CONFIGS
  readonly AlterPartitionReassignments: typeof ALTER_PARTITION_REASSIGNMENTS
  readonly ListPartitionReassignments: typeof LIST_PARTITION_REASSIGNMENTS
  readonly OffsetDelete: typeof OFFSET_DELETE
  readonly DescribeClientQuotas: typeof DESCRIBE_CLIENT_QUOTAS
  readonly AlterClientQuotas: typeof ALTER_CLIENT_QUOTAS
  readonly DescribeUserScramCredentials: typeof DESCRIBE_USER_SCRAM_CREDENTIALS
  readonly DescribeQuorum: typeof DESCRIBE_QUORUM
  readonly UpdateFeatures: typeof UPDATE_FEATURES
  readonly DescribeCluster: typeof DESCRIBE_CLUSTER
  readonly DescribeProducers: typeof DESCRIBE_PRODUCERS
  readonly DescribeTransactions: typeof DESCRIBE_TRANSACTIONS
  readonly ListTransactions: typeof LIST_TRANSACTIONS
  readonly ListConfigResources: typeof LIST_CONFIG_RESOURCES
  readonly DescribeTopicPartitions: typeof DESCRIBE_TOPIC_PARTITIONS
}

export const API_DEFINITIONS: Definitions = {
  Produce: PRODUCE,
  Fetch: FETCH,
  ListOffsets: LIST_OFFSETS,
  Metadata: METADATA,
  OffsetCommit: OFFSET_COMMIT,
  OffsetFetch: OFFSET_FETCH,
  FindCoordinator: FIND_COORDINATOR,
  JoinGroup: JOIN_GROUP,
  Heartbeat: HEARTBEAT,
  LeaveGroup: LEAVE_GROUP,
  SyncGroup: SYNC_GROUP,
  DescribeGroups: DESCRIBE_GROUPS,
  ListGroups: LIST_GROUPS,
  ApiVersions: API_VERSIONS,
  CreateTopics: CREATE_TOPICS,
  DeleteTopics: DELETE_TOPICS,
  DeleteRecords: DELETE_RECORDS,
  InitProducerId: INIT_PRODUCER_ID,
  OffsetForLeaderEpoch: OFFSET_FOR_LEADER_EPOCH,
  DescribeAcls: DESCRIBE_ACLS,
  CreateAcls: CREATE_ACLS,
  DeleteAcls: DELETE_ACLS,
  DescribeConfigs: DESCRIBE_CONFIGS,
  AlterConfigs: ALTER_CONFIGS,
  AlterReplicaLogDirs: ALTER_REPLICA_LOG_DIRS,
  DescribeLogDirs: DESCRIBE_LOG_DIRS,
  CreatePartitions: CREATE_PARTITIONS,
  DeleteGroups: DELETE_GROUPS,
  ElectLeaders: ELECT_LEADERS,
  IncrementalAlterConfigs: INCREMENTAL_ALTER_CONFIGS,
  AlterPartitionReassignments: ALTER_PARTITION_REASSIGNMENTS,
  ListPartitionReassignments: LIST_PARTITION_REASSIGNMENTS,
  OffsetDelete: OFFSET_DELETE,
  DescribeClientQuotas: DESCRIBE_CLIENT_QUOTAS,
  AlterClientQuotas: ALTER_CLIENT_QUOTAS,
  DescribeUserScramCredentials: DESCRIBE_USER_SCRAM_CREDENTIALS,
  DescribeQuorum: DESCRIBE_QUORUM,
  UpdateFeatures: UPDATE_FEATURES,
  DescribeCluster: DESCRIBE_CLUSTER,
  DescribeProducers: DESCRIBE_PRODUCERS,
  DescribeTransactions: DESCRIBE_TRANSACTIONS,
  ListTransactions: LIST_TRANSACTIONS,
  ListConfigResources: LIST_CONFIG_RESOURCES,
  DescribeTopicPartitions: DESCRIBE_TOPIC_PARTITIONS,
}

export type ApiName = keyof Definitions

/** A request as the broker reads it: every field of every version. */
export type RequestOf<Name extends ApiName> = Decoded<Definitions[Name]['request']>
/** A response as a client reads it: every field of every version. */
export type ResponseOf<Name extends ApiName> = Decoded<Definitions[Name]['response']>
/** A request as a client writes it. */
export type RequestBody<Name extends ApiName> = Encodable<Definitions[Name]['request']>
/** A response as the broker writes it. */
export type ResponseBody<Name extends ApiName> = Encodable<Definitions[Name]['response']>

export type Api = {
  readonly name: ApiName
  readonly key: number
  /** Versions that ApiVersions advertises. */
  readonly minVersion: number
  readonly maxVersion: number
  /** Versions that can be decoded. */
  readonly firstVersion: number
  readonly lastVersion: number
  readonly firstFlexibleVersion: number
}

/** Every API by name. */
export const APIS: Readonly<Record<ApiName, Api>> = Object.fromEntries(
  Object.entries(API_DEFINITIONS).map(([name, definition]) => [
    name,
    apiOf(name as ApiName, definition),
  ]),
) as Record<ApiName, Api>

const BY_KEY: ReadonlyMap<number, Api> = new Map(Object.values(APIS).map((api) => [api.key, api]))

/** The API of a key; undefined for one that is not described. */
export function apiByKey(key: number): Api | undefined {
  return BY_KEY.get(key)
}

/** How the requests of an API are described, for what makes or prints any of them. */
export function requestFields(name: ApiName): Fields {
  return API_DEFINITIONS[name].request
}

function apiOf(name: ApiName, definition: ApiDefinition): Api {
  const [minVersion, maxVersion] = definition.advertised ?? definition.versions
  return {
    name,
    key: definition.key,
    minVersion,
    maxVersion,
    firstVersion: definition.versions[0],
    lastVersion: definition.versions[1],
    firstFlexibleVersion: definition.flexible,
  }
}
