import { ConfigResourceTypes, type Consumer, Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'
import { BROKER_ENDS, resumeWhereCommitted, sharePartitions } from './group-scenarios.ts'

const WAIT_MS = 60_000

let broker: BrokerProcess
let kafka: Kafka

beforeAll(async () => {
  broker = await BrokerProcess.start()
  kafka = new Kafka({
    brokers: [broker.address],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, retries: 20 },
  })
})
afterAll(() => broker.stop())

test('creates, describes and deletes topics, and describes their configuration', async () => {
  const admin = kafka.admin()
  await admin.createTopics({
    topics: [
      {
        topic: 'described',
        numPartitions: 3,
        configEntries: [{ name: 'retention.ms', value: '1234' }],
      },
    ],
  })
  const { topics } = await admin.fetchTopicMetadata({ topics: ['described'] })
  expect(topics[0]?.partitions.map(({ leader }) => leader)).toEqual([1, 1, 1])
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: 'described' }],
  })
  const values = new Map(
    resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]),
  )
  expect(values.get('retention.ms')).toBe('1234')
  expect(await admin.describeCluster()).toMatchObject({
    controller: 1,
    brokers: [{ nodeId: 1, host: '127.0.0.1', port: broker.port }],
  })
  await admin.deleteTopics({ topics: ['described'] })
  expect(await admin.listTopics()).not.toContain('described')
  await admin.disconnect()
})

test('two members of a group share the partitions, and take over from one that leaves', async () => {
  const admin = kafka.admin()
  await admin.createTopics({ topics: [{ topic: 'shared', numPartitions: 4 }] })
  await sharePartitions({
    join: () => Member.join('sharers', 'shared'),
    whileShared: async () => {
      const { groups } = await admin.listGroups()
      expect(groups).toContainEqual({ groupId: 'sharers', protocolType: 'consumer' })
      const described = await admin.describeGroups(['sharers'])
      expect(described.groups[0]).toMatchObject({ state: 'Stable', protocolType: 'consumer' })
      expect(described.groups[0]?.members).toHaveLength(2)
    },
  })
  const left = await admin.describeGroups(['sharers'])
  expect(left.groups[0]?.state).toBe('Empty')
  await admin.disconnect()
})

test.for(BROKER_ENDS)(
  'a group resumes after $what exactly where it committed',
  async ({ what, end }) => {
    const topic = `resumed-${what.replaceAll(/\W/g, '')}`
    const admin = kafka.admin()
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })
    await admin.disconnect()
    await resumeWhereCommitted(broker, {
      end,
      produce: (values) => produce(topic, values),
      joinAndCommitThree: async () => {
        const member = await Member.join(topic, topic, { commitAt: 3 })
        await waitFor('the commit', WAIT_MS, () => member.hasCommitted)
        return member
      },
      join: () => Member.join(topic, topic),
    })
  },
)

async function produce(topic: string, values: readonly string[]): Promise<void> {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  await producer.send({ topic, messages: values.map((value) => ({ key: 'key', value })) })
  await producer.disconnect()
}

class Member {
  readonly values: string[] = []
  partitions: readonly number[] = []
  hasCommitted = false
  readonly #consumer: Consumer

  /** Reads from the beginning; commits offset `commitAt` once the record before it was read. */
  static async join(
    groupId: string,
    topic: string,
    options: { readonly commitAt?: number } = {},
  ): Promise<Member> {
    const consumer = kafka.consumer({
      groupId,
      sessionTimeout: 30_000,
      heartbeatInterval: 200,
      maxWaitTimeInMs: 200,
    })
    const member = new Member(consumer)
    consumer.on('consumer.group_join', ({ payload }) => {
      member.partitions = payload.memberAssignment[topic] ?? []
    })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        member.values.push(message.value?.toString() ?? '')
        if (options.commitAt !== Number(message.offset) + 1) return
        await consumer.commitOffsets([{ topic, partition, offset: `${options.commitAt}` }])
        member.hasCommitted = true
      },
    })
    return member
  }

  private constructor(consumer: Consumer) {
    this.#consumer = consumer
  }

  async leave(): Promise<void> {
    await this.#consumer.disconnect()
  }
}
