import { createAdmin } from '../admin.ts'
import type { ClientOptions } from '../clients.ts'
import { Cluster } from '../cluster.ts'
import { alterConfigs, describeConfigs } from './configs.ts'
import {
  commitOffsets,
  committedOffsets,
  deleteGroup,
  deleteOffsets,
  describeGroup,
  listGroups,
} from './groups.ts'
import { alterQuotas, describeQuotas } from './quotas.ts'
import {
  createPartitions,
  createTopics,
  deleteRecords,
  deleteTopics,
  describeCluster,
  describeTopics,
  useTopic,
} from './topics.ts'
import type { ClusterAdmin } from './types.ts'

export function createClusterAdmin(options: ClientOptions): ClusterAdmin {
  const cluster = new Cluster(options)
  const admin = createAdmin(options)
  return {
    describeCluster: () => describeCluster(cluster),
    describeTopics: (topics) => describeTopics(cluster, topics),
    useTopic: (topic) => useTopic(cluster, topic),
    createTopics: (topics, mode) => createTopics(cluster, topics, mode),
    deleteTopics: (topics) => deleteTopics(cluster, topics),
    createPartitions: (name, count, mode) => createPartitions(cluster, { name, count }, mode),
    deleteRecords: (offsets) => deleteRecords(cluster, offsets),
    describeConfigs: (resource) => describeConfigs(cluster, resource),
    alterConfigs: (resource, changes, mode) => alterConfigs(cluster, resource, changes, mode),
    describeQuotas: (filter) => describeQuotas(cluster, filter),
    alterQuotas: (entity, changes, mode) => alterQuotas(cluster, entity, changes, mode),
    listGroups: () => listGroups(cluster),
    describeGroup: (groupId) => describeGroup(cluster, groupId),
    deleteGroup: (groupId) => deleteGroup(cluster, groupId),
    committedOffsets: (groupId) => committedOffsets(cluster, groupId),
    commitOffsets: (groupId, offsets) => commitOffsets(cluster, groupId, offsets),
    deleteOffsets: (groupId, partitions) => deleteOffsets(cluster, groupId, partitions),
    listOffsets: (target) => admin.listOffsets(target),
    close: async () => {
      cluster.close()
      await admin.close()
    },
  }
}
