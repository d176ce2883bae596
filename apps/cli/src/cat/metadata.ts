import { type ClientOptions, type TopicDescription, createClusterAdmin } from '@fairlead/kafka'
import { EXIT, type ExitCode, UsageError, parseInteger } from '../command/command.ts'
import { succeeded } from '../command/outcomes.ts'
import type { CatOptions } from './cat-options.ts'
import type { CatTerminal } from './cat.ts'

const INT32_MAX = 2 ** 31 - 1
const TIMESTAMP_RANGE = { min: -2, max: Number.MAX_SAFE_INTEGER }
const EARLIEST = -2
const LATEST = -1

/** kcat's `-L`: brokers, topics, partitions. */
export async function listMetadata(
  client: ClientOptions,
  options: CatOptions,
  terminal: CatTerminal,
): Promise<ExitCode> {
  const admin = createClusterAdmin(client)
  try {
    const { topic } = options
    const cluster = await admin.describeCluster()
    const outcomes = await admin.describeTopics(topic === undefined ? undefined : [topic])
    const topics = succeeded(outcomes)
    const text = options.isJson
      ? `${JSON.stringify(metadataObject(cluster, topics))}\n`
      : metadataText(cluster, topics, {
          of: topic ?? 'all topics',
          servers: client.bootstrapServers,
        })
    await terminal.write(Buffer.from(text))
    const failed = outcomes.find((outcome) => !outcome.ok)
    if (failed?.ok === false) throw failed.error
    return EXIT.ok
  } finally {
    await admin.close()
  }
}

type Cluster = Awaited<ReturnType<ReturnType<typeof createClusterAdmin>['describeCluster']>>

function metadataObject({ controllerId, brokers }: Cluster, topics: readonly TopicDescription[]) {
  return {
    controllerid: controllerId,
    brokers: brokers.map(({ brokerId, host, port }) => ({ id: brokerId, name: `${host}:${port}` })),
    topics: topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, leader, replicas, isr }) => ({
        partition,
        leader,
        replicas: replicas.map((id) => ({ id })),
        isrs: isr.map((id) => ({ id })),
      })),
    })),
  }
}

function metadataText(
  { controllerId, brokers }: Cluster,
  topics: readonly TopicDescription[],
  { of, servers }: { readonly of: string; readonly servers: readonly string[] },
): string {
  const lines = [
    `Metadata for ${of} (from ${servers.join(',')}):`,
    ` ${brokers.length} brokers:`,
    ...brokers.map(({ brokerId, host, port }) => {
      return `  broker ${brokerId} at ${host}:${port}${brokerId === controllerId ? ' (controller)' : ''}`
    }),
    ` ${topics.length} topics:`,
    ...topics.flatMap(({ topic, partitions }) => [
      `  topic "${topic}" with ${partitions.length} partitions:`,
      ...partitions.map(
        ({ partition, leader, replicas, isr }) =>
          `    partition ${partition}, leader ${leader}, replicas: ${replicas.join(',')}, isrs: ${isr.join(',')}`,
      ),
    ]),
  ]
  return `${lines.join('\n')}\n`
}

/** kcat's `-Q`: the offset of the first record at or after a time; -2 is the start, -1 the end. */
export async function queryOffsets(
  client: ClientOptions,
  options: CatOptions,
  terminal: CatTerminal,
): Promise<ExitCode> {
  const admin = createClusterAdmin(client)
  try {
    for (const query of [...options.topics, ...options.operands]) {
      const { topic, partition, timestamp } = parseQuery(query)
      const offset = await admin.listOffsets({ topic, partition, timestamp })
      await terminal.write(Buffer.from(`${topic} [${partition}] offset ${offset}\n`))
    }
    return EXIT.ok
  } finally {
    await admin.close()
  }
}

function parseQuery(text: string) {
  const match = /^(.+):(\d+):(-?\d+)$/.exec(text)
  const [, topic, partition, time] = match ?? []
  if (topic === undefined || partition === undefined || time === undefined) {
    throw new UsageError(`-Q takes topic:partition:timestamp, not "${text}"`)
  }
  const value = parseInteger(time, 'the timestamp', TIMESTAMP_RANGE)
  const timestamp =
    value === EARLIEST ? ('earliest' as const) : value === LATEST ? ('latest' as const) : value
  const range = { min: 0, max: INT32_MAX }
  return { topic, partition: parseInteger(partition, 'the partition', range), timestamp }
}
