import { createAdmin } from '../admin.ts'
import type { ClientOptions } from '../clients.ts'
import { Cluster } from '../cluster.ts'
import type { ClusterAdmin } from './types.ts'

/** What it takes is loaded with the first request: of all processes, few are an operator's tool. */
const loadConfigs = () => import('./configs.ts')
const loadGroups = () => import('./groups.ts')
const loadQuotas = () => import('./quotas.ts')
const loadTopics = () => import('./topics.ts')

export function createClusterAdmin(options: ClientOptions): ClusterAdmin {
  const cluster = new Cluster(options)
  const admin = createAdmin(options)
  return {
    describeCluster: async () => (await loadTopics()).describeCluster(cluster),
    describeTopics: async (topics) => (await loadTopics()).describeTopics(cluster, topics),
    useTopic: async (topic) => (await loadTopics()).useTopic(cluster, topic),
    createTopics: async (topics, mode) => (await loadTopics()).createTopics(cluster, topics, mode),
    deleteTopics: async (topics) => (await loadTopics()).deleteTopics(cluster, topics),
    createPartitions: async (name, count, mode) =>
      (await loadTopics()).createPartitions(cluster, { name, count }, mode),
    deleteRecords: async (offsets) => (await loadTopics()).deleteRecords(cluster, offsets),
    describeConfigs: async (resource) => (await loadConfigs()).describeConfigs(cluster, resource),
    alterConfigs: async (resource, changes, mode) =>
      (await loadConfigs()).alterConfigs(cluster, resource, changes, mode),
    describeQuotas: async (filter) => (await loadQuotas()).describeQuotas(cluster, filter),
    alterQuotas: async (entity, changes, mode) =>
      (await loadQuotas()).alterQuotas(cluster, entity, changes, mode),
    listGroups: async () => (await loadGroups()).listGroups(cluster),
    describeGroup: async (groupId) => (await loadGroups()).describeGroup(cluster, groupId),
    deleteGroup: (groupId) => admin.deleteGroup(groupId),
    committedOffsets: async (groupId) => (await loadGroups()).committedOffsets(cluster, groupId),
    commitOffsets: async (groupId, offsets) =>
      (await loadGroups()).commitOffsets(cluster, groupId, offsets),
    deleteOffsets: async (groupId, partitions) =>
      (await loadGroups()).deleteOffsets(cluster, groupId, partitions),
    listOffsets: (target) => admin.listOffsets(target),
    close: async () => {
      cluster.close()
      await admin.close()
    },
  }
}
