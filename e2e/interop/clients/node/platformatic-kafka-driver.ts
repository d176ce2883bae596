import {
  Admin,
  ConfigResourceTypes,
  IncrementalAlterConfigOperationTypes,
  ProduceAcks,
  Producer,
} from '@platformatic/kafka'
import type { Operations, ReadRecord, WireRecord } from '../operations.ts'
import { PlatformaticMember } from './platformatic-kafka-member.ts'
import { bytesOf, headerEntries, serve } from './serve.ts'

const options = {
  clientId: 'platformatic-kafka',
  bootstrapBrokers: [process.argv.at(-1) ?? ''],
  retries: 60,
  retryDelay: 500,
}
const producers = new Map<boolean, Producer>()
let member: PlatformaticMember | undefined

await serve({
  produce: async ({ topic, partition, compression, idempotent, records }) => {
    const producer = producers.get(idempotent) ?? new Producer({ ...options, idempotent })
    producers.set(idempotent, producer)
    const sent = await producer.send({
      acks: ProduceAcks.ALL,
      compression,
      messages: records.map((record) => messageOf(record, topic, partition)),
    })
    const first = Number(sent.offsets?.[0]?.offset)
    return { offsets: records.map((_, index) => first + index) }
  },
  transact,
  fetch: async ({ topic, partition, offset, count, timeoutMs }) => {
    const reading = await PlatformaticMember.join({
      connection: options,
      groupId: `fetch-${crypto.randomUUID()}`,
      topic,
      start: { mode: 'manual', offsets: [{ topic, partition, offset: BigInt(offset) }] },
    })
    const records: ReadRecord[] = []
    const deadlineMs = performance.now() + timeoutMs
    while (records.length < count && performance.now() < deadlineMs) {
      records.push(...(await reading.poll(50)))
    }
    await reading.leave()
    return { records }
  },
  join: async ({ group, topic, instanceId }) => {
    member = await PlatformaticMember.join({
      connection: options,
      groupId: group,
      topic,
      start: { mode: 'committed', fallbackMode: 'earliest' },
      ...(instanceId === null ? {} : { groupInstanceId: instanceId }),
    })
  },
  poll: async ({ timeoutMs }) => {
    const records = (await member?.poll(timeoutMs)) ?? []
    return { records, assignment: member?.assignment ?? [] }
  },
  commit: async () => member?.commit(),
  leave: async () => member?.leave(),
  createTopic: async ({ topic, partitions, config }) => {
    const configs = Object.entries(config).map(([name, value]) => ({ name, value }))
    await withAdmin((admin) =>
      admin.createTopics({ topics: [topic], partitions, replicas: 1, configs }),
    )
  },
  deleteTopic: ({ topic }) => withAdmin((admin) => admin.deleteTopics({ topics: [topic] })),
  listTopics: async () => ({ topics: await withAdmin((admin) => admin.listTopics()) }),
  describeTopic: async ({ topic }) => {
    const metadata = await withAdmin((admin) => admin.metadata({ topics: [topic] }))
    return { partitions: metadata.topics.get(topic)?.partitionsCount ?? 0 }
  },
  createPartitions: ({ topic, total }) =>
    withAdmin((admin) =>
      admin.createPartitions({ topics: [{ name: topic, count: total, assignments: null }] }),
    ),
  describeConfig: async ({ topic, name }) => {
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }
    const [described] = await withAdmin((admin) =>
      admin.describeConfigs({ resources: [{ ...resource, configurationKeys: [] }] }),
    )
    return { value: described?.configs.find((each) => each.name === name)?.value ?? '' }
  },
  alterConfig: ({ topic, name, value }) => {
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }
    const change = { name, value, configOperation: IncrementalAlterConfigOperationTypes.SET }
    return withAdmin((admin) =>
      admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [change] }] }),
    )
  },
  deleteRecords: async ({ topic, partition, before }) => {
    const partitions = [{ partition, offset: BigInt(before) }]
    await withAdmin((admin) => admin.deleteRecords({ topics: [{ name: topic, partitions }] }))
  },
  listGroups: async () => {
    const groups = await withAdmin((admin) => admin.listGroups())
    return { groups: [...groups.keys()] }
  },
  committed: async ({ group, topic }) => {
    const [listed] = await withAdmin((admin) => admin.listConsumerGroupOffsets({ groups: [group] }))
    const partitions = listed?.topics.find(({ name }) => name === topic)?.partitions ?? []
    const offsets = partitions.map((each) => [each.partitionIndex, Number(each.committedOffset)])
    return { offsets: Object.fromEntries(offsets) as Record<string, number> }
  },
  deleteGroup: ({ group }) => withAdmin((admin) => admin.deleteGroups({ groups: [group] })),
})

async function withAdmin<Value>(use: (admin: Admin) => Promise<Value>): Promise<Value> {
  const admin = new Admin(options)
  try {
    return await use(admin)
  } finally {
    await admin.close()
  }
}

async function transact({
  topic,
  partition,
  transactionalId,
  commit,
  records,
}: Operations['transact']['asks']): Promise<void> {
  const producer = new Producer({ ...options, retries: 3, idempotent: true, transactionalId })
  try {
    const transaction = await producer.beginTransaction()
    const messages = records.map((record) => messageOf(record, topic, partition))
    await transaction.send({ messages })
    await (commit ? transaction.commit() : transaction.abort())
  } finally {
    await producer.close()
  }
}

function messageOf(record: WireRecord, topic: string, partition: number) {
  const headers = new Map(
    headerEntries(record.headers).map(([name, value]) => [Buffer.from(name), value ?? undefined]),
  )
  const key = bytesOf(record.key) ?? undefined
  const value = bytesOf(record.value) ?? undefined
  return { topic, partition, key, value, headers } as {
    topic: string
    partition: number
    key: Buffer
    value: Buffer
    headers: Map<Buffer, Buffer>
  }
}
