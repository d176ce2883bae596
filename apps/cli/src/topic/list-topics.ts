import type { TopicDescription } from '@fairlead/kafka'
import { type Command, isSet } from '../command/command.ts'
import { reportFailures, succeeded } from '../command/outcomes.ts'
import type { Column, JsonObject } from '../output/output.ts'

type Row = JsonObject & {
  readonly topic: string
  readonly partitions: number
  readonly replicationFactor: number
  readonly isInternal: boolean
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'topic', value: ({ topic }) => topic },
  { title: 'partitions', value: ({ partitions }) => partitions, align: 'right' },
  { title: 'replicas', value: ({ replicationFactor }) => replicationFactor, align: 'right' },
]

export const LIST_TOPICS: Command = {
  name: 'topic list',
  summary: 'Lists topics; internal ones with --internal.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: { internal: { doc: 'internal topics, too' } },
  async run({ admin, options, output }) {
    const topics = await admin.describeTopics()
    const rows = succeeded(topics)
      .filter(({ isInternal }) => isSet(options, 'internal') || !isInternal)
      .map(rowOf)
    output.list(rows, COLUMNS)
    return reportFailures(output, topics)
  },
}

function rowOf({ topic, partitions, isInternal }: TopicDescription): Row {
  return {
    topic,
    partitions: partitions.length,
    replicationFactor: partitions[0]?.replicas.length ?? 0,
    isInternal,
  }
}
