import { invariant } from '@fairlead/base'
import type { MetadataImage, MetadataRecord } from '@fairlead/metadata'

export type NewPartition = {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly leaderEpoch: number
  /** Of its topic. */
  readonly configs: ReadonlyMap<string, string>
}

/** The partitions that `records`, which are not in the image yet, bring. */
export function newPartitions(
  records: readonly MetadataRecord[],
  image: MetadataImage,
): readonly NewPartition[] {
  const topics = new Map<string, { name: string; configs: Map<string, string> }>()
  const byName = new Map<string, Map<string, string>>()
  for (const record of records) {
    if (record.kind === 'TopicRecord') {
      const configs = new Map<string, string>()
      topics.set(record.topicId, { name: record.name, configs })
      byName.set(record.name, configs)
    } else if (record.kind === 'ConfigRecord' && record.value !== null) {
      byName.get(record.resourceName)?.set(record.name, record.value)
    }
  }
  const added = records.filter((record) => record.kind === 'PartitionRecord')
  return added.map(({ topicId, partitionId, leaderEpoch }) => {
    const topic = topics.get(topicId) ?? image.topicById(topicId)
    invariant(topic !== undefined, 'a partition has a topic')
    const { name, configs } = topic
    return { topic: name, topicId, partition: partitionId, leaderEpoch, configs }
  })
}
