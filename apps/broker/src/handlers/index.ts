import type { ApiName } from '@fairlead/protocol'
import { handleApiVersions } from './api-versions.ts'
import { handleCreateTopics } from './create-topics.ts'
import { handleDeleteGroups } from './delete-groups.ts'
import { handleDeleteTopics } from './delete-topics.ts'
import { handleDescribeCluster } from './describe-cluster.ts'
import { handleDescribeConfigs } from './describe-configs.ts'
import { handleDescribeGroups } from './describe-groups.ts'
import { handleDescribeProducers } from './describe-producers.ts'
import { handleDescribeTransactions } from './describe-transactions.ts'
import { handleFetch } from './fetch.ts'
import { handleFindCoordinator } from './find-coordinator.ts'
import type { Handler } from './handler.ts'
import { handleHeartbeat } from './heartbeat.ts'
import { handleInitProducerId } from './init-producer-id.ts'
import { handleJoinGroup } from './join-group.ts'
import { handleLeaveGroup } from './leave-group.ts'
import { handleListGroups } from './list-groups.ts'
import { handleListOffsets } from './list-offsets.ts'
import { handleListTransactions } from './list-transactions.ts'
import { handleMetadata } from './metadata.ts'
import { handleOffsetCommit } from './offset-commit.ts'
import { handleOffsetDelete } from './offset-delete.ts'
import { handleOffsetFetch } from './offset-fetch.ts'
import { handleProduce } from './produce.ts'
import { handleSyncGroup } from './sync-group.ts'

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
  InitProducerId: handleInitProducerId,
  DescribeConfigs: handleDescribeConfigs,
  DescribeCluster: handleDescribeCluster,
  DeleteGroups: handleDeleteGroups,
  OffsetDelete: handleOffsetDelete,
  DescribeProducers: handleDescribeProducers,
  DescribeTransactions: handleDescribeTransactions,
  ListTransactions: handleListTransactions,
}
