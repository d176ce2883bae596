import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs from 'kafkajs'
import type { IHeaders, Producer } from 'kafkajs'
import type { Compression, Operations, ReadRecord, WireRecord } from '../operations.ts'
import { KafkajsMember } from './kafkajs-member.ts'
import { bytesOf, headerEntries, serve } from './serve.ts'

const { CompressionCodecs, CompressionTypes, Kafka, ConfigResourceTypes, logLevel } = kafkajs
const TYPES: Readonly<Record<Compression, kafkajs.CompressionTypes>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { readonly buffer: Buffer }) => promisify(zstdCompress)(buffer),
  decompress: (buffer: Buffer) => promisify(zstdDecompress)(buffer),
})

const kafka = new Kafka({
  clientId: 'kafkajs',
  brokers: [process.argv.at(-1) ?? ''],
  logLevel: logLevel.NOTHING,
  retry: { retries: 30, initialRetryTime: 100, maxRetryTime: 1_000 },
})
const admin = kafka.admin()
const producers = new Map<boolean, Producer>()
let member: KafkajsMember | undefined

await admin.connect()
await serve({
  produce: async ({ topic, partition, compression, idempotent, records }) => {
    const producer = await producerOf(idempotent)
    const [sent] = await producer.send({
      topic,
      acks: -1,
      compression: TYPES[compression],
      messages: records.map((record) => messageOf(record, partition)),
    })
    const first = Number(sent?.baseOffset)
    return { offsets: records.map((_, index) => first + index) }
  },
  transact,
  fetch: async ({ topic, partition, offset, count, timeoutMs }) => {
    const reading = await KafkajsMember.join(kafka, {
      groupId: `fetch-${crypto.randomUUID()}`,
      topic,
    })
    reading.seek(topic, partition, offset)
    const records: ReadRecord[] = []
    const deadlineMs = performance.now() + timeoutMs
    while (records.length < count && performance.now() < deadlineMs) {
      records.push(...(await reading.poll(50)).filter((read) => read.partition === partition))
    }
    await reading.leave()
    return { records }
  },
  join: async ({ group, topic }) => {
    member = await KafkajsMember.join(kafka, { groupId: group, topic })
  },
  poll: async ({ timeoutMs }) => {
    const records = (await member?.poll(timeoutMs)) ?? []
    return { records, assignment: member?.assignment ?? [] }
  },
  commit: async () => member?.commit(),
  leave: async () => member?.leave(),
  createTopic: async ({ topic, partitions, config }) => {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
    })
  },
  deleteTopic: ({ topic }) => admin.deleteTopics({ topics: [topic] }),
  listTopics: async () => ({ topics: await admin.listTopics() }),
  describeTopic: async ({ topic }) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return { partitions: topics[0]?.partitions.length ?? 0 }
  },
  createPartitions: async ({ topic, total }) => {
    await admin.createPartitions({ topicPartitions: [{ topic, count: total }] })
  },
  describeConfig: async ({ topic, name }) => {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    })
    const entry = resources[0]?.configEntries.find((each) => each.configName === name)
    return { value: entry?.configValue ?? '' }
  },
  alterConfig: async ({ topic, name, value }) => {
    await admin.alterConfigs({
      validateOnly: false,
      resources: [
        { type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name, value }] },
      ],
    })
  },
  deleteRecords: ({ topic, partition, before }) =>
    admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: `${before}` }] }),
  listGroups: async () => {
    const { groups } = await admin.listGroups()
    return { groups: groups.map(({ groupId }) => groupId) }
  },
  committed: async ({ group, topic }) => {
    const [fetched] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    const partitions = fetched?.partitions ?? []
    const offsets = partitions.map((each) => [each.partition, Number(each.offset)] as const)
    return { offsets: Object.fromEntries(offsets) }
  },
  deleteGroup: async ({ group }) => {
    await admin.deleteGroups([group])
  },
})

async function producerOf(idempotent: boolean): Promise<Producer> {
  const known = producers.get(idempotent)
  if (known !== undefined) return known
  const producer = kafka.producer({ idempotent, maxInFlightRequests: idempotent ? 1 : 5 })
  await producer.connect()
  producers.set(idempotent, producer)
  return producer
}

async function transact({
  topic,
  partition,
  transactionalId,
  commit,
  records,
}: Operations['transact']['asks']): Promise<void> {
  const producer = kafka.producer({
    transactionalId,
    idempotent: true,
    maxInFlightRequests: 1,
    retry: { retries: 3 },
  })
  await producer.connect()
  const transaction = await producer.transaction()
  await transaction.send({
    topic,
    messages: records.map((record) => messageOf(record, partition)),
  })
  if (commit) await transaction.commit()
  else await transaction.abort()
  await producer.disconnect()
}

function messageOf({ key, value, headers }: WireRecord, partition: number) {
  const entries = headerEntries(headers) as [string, Buffer][]
  return { key: bytesOf(key), value: bytesOf(value), partition, headers: grouped(entries) }
}

/** kafkajs holds headers by name, with a list where a name repeats. */
function grouped(entries: readonly [string, Buffer][]): IHeaders {
  const names = [...new Set(entries.map(([name]) => name))]
  return Object.fromEntries(
    names.map((name) => {
      const values = entries.filter(([each]) => each === name).map(([, value]) => value)
      return [name, values.length === 1 ? values[0] : values]
    }),
  )
}
