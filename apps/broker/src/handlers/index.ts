import { handleAlterClientQuotas } from './alter-client-quotas.ts'
import { handleAlterConfigs } from './alter-configs.ts'
import { handleAlterPartitionReassignments } from './alter-partition-reassignments.ts'
import { handleAlterReplicaLogDirs } from './alter-replica-log-dirs.ts'
import { handleApiVersions } from './api-versions.ts'
import { handleCreateAcls } from './create-acls.ts'
import { handleCreatePartitions } from './create-partitions.ts'
import { handleCreateTopics } from './create-topics.ts'
import { handleDeleteAcls } from './delete-acls.ts'
import { handleDeleteGroups } from './delete-groups.ts'
import { handleDeleteRecords } from './delete-records.ts'
import { handleDeleteTopics } from './delete-topics.ts'
import { handleDescribeAcls } from './describe-acls.ts'
import { handleDescribeClientQuotas } from './describe-client-quotas.ts'
import { handleDescribeCluster } from './describe-cluster.ts'
import { handleDescribeConfigs } from './describe-configs.ts'
import { handleDescribeGroups } from './describe-groups.ts'
import { handleDescribeLogDirs } from './describe-log-dirs.ts'
import { handleDescribeProducers } from './describe-producers.ts'
import { handleDescribeQuorum } from './describe-quorum.ts'
import { handleDescribeTopicPartitions } from './describe-topic-partitions.ts'
import { handleDescribeTransactions } from './describe-transactions.ts'
import { handleDescribeUserScramCredentials } from './describe-user-scram-credentials.ts'
import { handleElectLeaders } from './elect-leaders.ts'
import { handleFetch } from './fetch.ts'
import { handleFindCoordinator } from './find-coordinator.ts'
import type { Handler } from './handler.ts'
import { handleHeartbeat } from './heartbeat.ts'
import { handleIncrementalAlterConfigs } from './incremental-alter-configs.ts'
import { handleInitProducerId } from './init-producer-id.ts'
import { handleJoinGroup } from './join-group.ts'
import { handleLeaveGroup } from './leave-group.ts'
import { handleListConfigResources } from './list-config-resources.ts'
import { handleListGroups } from './list-groups.ts'
import { handleListOffsets } from './list-offsets.ts'
import { handleListPartitionReassignments } from './list-partition-reassignments.ts'
import { handleListTransactions } from './list-transactions.ts'
import { handleMetadata } from './metadata.ts'
import { handleOffsetCommit } from './offset-commit.ts'
import { handleOffsetDelete } from './offset-delete.ts'
import { handleOffsetFetch } from './offset-fetch.ts'
import { handleOffsetForLeaderEpoch } from './offset-for-leader-epoch.ts'
import { handleProduce } from './produce.ts'
import { handleSyncGroup } from './sync-group.ts'
import { handleUpdateFeatures } from './update-features.ts'
import type { ApiName } from '@fairlead/protocol'

/** Every API of this broker, and who answers it. Keys and versions are in the protocol's `APIS`. */
export const HANDLERS: { readonly [Name in ApiName]: Handler<Name> } = {
  Produce: handleProduce,
  Fetch: handleFetch,
  ListOffsets: handleListOffsets,
  Metadata: handleMetadata,
  OffsetCommit: handleOffsetCommit,
  OffsetFetch: handleOffsetFetch,
  FindCoordinator: handleFindCoordinator,
  JoinGroup: handleJoinGroup,
  Heartbeat: handleHeartbeat,
  LeaveGroup: handleLeaveGroup,
  SyncGroup: handleSyncGroup,
  DescribeGroups: handleDescribeGroups,
  ListGroups: handleListGroups,
  ApiVersions: handleApiVersions,
  CreateTopics: handleCreateTopics,
  DeleteTopics: handleDeleteTopics,
  DeleteRecords: handleDeleteRecords,
  InitProducerId: handleInitProducerId,
  OffsetForLeaderEpoch: handleOffsetForLeaderEpoch,
  DescribeAcls: handleDescribeAcls,
  CreateAcls: handleCreateAcls,
  DeleteAcls: handleDeleteAcls,
  DescribeConfigs: handleDescribeConfigs,
  AlterConfigs: handleAlterConfigs,
  AlterReplicaLogDirs: handleAlterReplicaLogDirs,
  DescribeLogDirs: handleDescribeLogDirs,
  CreatePartitions: handleCreatePartitions,
  DeleteGroups: handleDeleteGroups,
  ElectLeaders: handleElectLeaders,
  IncrementalAlterConfigs: handleIncrementalAlterConfigs,
  AlterPartitionReassignments: handleAlterPartitionReassignments,
  ListPartitionReassignments: handleListPartitionReassignments,
  OffsetDelete: handleOffsetDelete,
  DescribeClientQuotas: handleDescribeClientQuotas,
  AlterClientQuotas: handleAlterClientQuotas,
  DescribeUserScramCredentials: handleDescribeUserScramCredentials,
  DescribeQuorum: handleDescribeQuorum,
  UpdateFeatures: handleUpdateFeatures,
  DescribeCluster: handleDescribeCluster,
  DescribeProducers: handleDescribeProducers,
  DescribeTransactions: handleDescribeTransactions,
  ListTransactions: handleListTransactions,
  ListConfigResources: handleListConfigResources,
  DescribeTopicPartitions: handleDescribeTopicPartitions,
}
