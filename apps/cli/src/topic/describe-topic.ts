import type { ClusterAdmin, ConfigEntry, TopicDescription } from '@fairlead/kafka'
import type { Command } from '../command/command.ts'
import { reportFailures, succeeded } from '../command/outcomes.ts'
import type { Column, JsonObject, Output, Section } from '../output/output.ts'

type Partition = JsonObject & {
  readonly partition: number
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly logStartOffset: number
  readonly highWatermark: number
}

type ConfigObject = JsonObject & {
  readonly name: string
  readonly value: string | null
  readonly source: string
}

type Topic = JsonObject & {
  readonly topic: string
  readonly topicId: string
  readonly isInternal: boolean
  readonly partitions: readonly Partition[]
  readonly configs: readonly ConfigObject[]
}

const PARTITION_COLUMNS: readonly Column<Partition>[] = [
  { title: 'partition', value: ({ partition }) => partition, align: 'right' },
  { title: 'leader', value: ({ leader }) => leader, align: 'right' },
  { title: 'epoch', value: ({ leaderEpoch }) => leaderEpoch, align: 'right' },
  { title: 'replicas', value: ({ replicas }) => replicas.join(',') },
  { title: 'isr', value: ({ isr }) => isr.join(',') },
  { title: 'log-start', value: ({ logStartOffset }) => logStartOffset, align: 'right' },
  { title: 'high-watermark', value: ({ highWatermark }) => highWatermark, align: 'right' },
]

const DEFAULT_SOURCE = 'DEFAULT_CONFIG'

export const DESCRIBE_TOPIC: Command = {
  name: 'topic describe',
  summary: 'Shows the partitions of topics, and what of their configuration is not the default.',
  positionals: '<topic>...',
  positionalCount: { min: 1, max: Number.POSITIVE_INFINITY },
  options: {},
  async run({ admin, positionals, output }) {
    const outcomes = await admin.describeTopics(positionals)
    const topics = await Promise.all(
      succeeded(outcomes).map((description) => describe(admin, description)),
    )
    for (const topic of topics) output.object(topic, sections(output, topic))
    return reportFailures(output, outcomes)
  },
}

async function describe(admin: ClusterAdmin, description: TopicDescription): Promise<Topic> {
  const { topic, topicId, isInternal } = description
  const [configs, partitions] = await Promise.all([
    admin.describeConfigs({ type: 'topic', name: topic }),
    Promise.all(
      description.partitions.map(async (partition): Promise<Partition> => {
        const target = { topic, partition: partition.partition }
        const [logStartOffset, highWatermark] = await Promise.all([
          admin.listOffsets({ ...target, timestamp: 'earliest' }),
          admin.listOffsets({ ...target, timestamp: 'latest' }),
        ])
        return { ...partition, logStartOffset, highWatermark }
      }),
    ),
  ])
  return { topic, topicId, isInternal, partitions, configs: configs.map(configObject) }
}

export function configObject({ name, value, source, isReadOnly, isSensitive }: ConfigEntry) {
  return { name, value, source, isReadOnly, isSensitive }
}

function sections(output: Output, topic: Topic): readonly Section[] {
  const changed = topic.configs.filter(({ source }) => source !== DEFAULT_SOURCE)
  return [
    { title: '', text: `Topic ${topic.topic}  id ${topic.topicId}\n` },
    { title: '', text: output.tableText(topic.partitions, PARTITION_COLUMNS) },
    {
      title: '',
      text: output.tableText(changed, [
        { title: 'config', value: ({ name }) => name },
        { title: 'value', value: ({ value }) => value ?? '' },
        { title: 'source', value: ({ source }) => source },
      ]),
    },
  ]
}
