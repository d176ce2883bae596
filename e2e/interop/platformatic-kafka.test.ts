import {
  Admin,
  Consumer,
  ListOffsetTimestamps,
  type MessagesStream,
  ProduceAcks,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'
import { BROKER_ENDS, resumeWhereCommitted, sharePartitions } from './group-scenarios.ts'

const WAIT_MS = 60_000
const TOPIC_RESOURCE = 2

let broker: BrokerProcess
let options: { readonly clientId: string; readonly bootstrapBrokers: string[] }

beforeAll(async () => {
  broker = await BrokerProcess.start()
  options = { clientId: 'platformatic', bootstrapBrokers: [broker.address] }
})
afterAll(() => broker.stop())

async function withAdmin<Value>(use: (admin: Admin) => Promise<Value>): Promise<Value> {
  const admin = new Admin(options)
  try {
    return await use(admin)
  } finally {
    await admin.close()
  }
}

async function produce(topic: string, values: readonly string[]): Promise<void> {
  const producer = new Producer({ ...options, serializers: stringSerializers, idempotent: true })
  await producer.send({
    acks: ProduceAcks.ALL,
    messages: values.map((value) => ({ topic, key: 'key', value })),
  })
  await producer.close()
}

test('creates, describes and deletes topics, and describes their configuration', async () => {
  await withAdmin(async (admin) => {
    const created = await admin.createTopics({
      topics: ['described'],
      partitions: 3,
      replicas: 1,
      configs: [{ name: 'retention.ms', value: '1234' }],
    })
    expect(created).toMatchObject([{ name: 'described', partitions: 3, replicas: 1 }])
    expect(await admin.listTopics()).toContain('described')
    const [described] = await admin.describeConfigs({
      resources: [
        { resourceType: TOPIC_RESOURCE, resourceName: 'described', configurationKeys: [] },
      ],
    })
    expect(described?.configs).toContainEqual(
      expect.objectContaining({ name: 'retention.ms', value: '1234' }),
    )
    await admin.deleteTopics({ topics: ['described'] })
    expect(await admin.listTopics()).not.toContain('described')
  })
})

test('reads back what it produced idempotently, and finds the end', async () => {
  await withAdmin((admin) => admin.createTopics({ topics: ['produced'], partitions: 1 }))
  const values = Array.from({ length: 1_000 }, (_, index) => `value ${index}`)
  await produce('produced', values)
  const [listed] = await withAdmin((admin) =>
    admin.listOffsets({
      topics: [
        {
          name: 'produced',
          partitions: [{ partitionIndex: 0, timestamp: ListOffsetTimestamps.LATEST }],
        },
      ],
    }),
  )
  expect(listed?.partitions[0]?.offset).toBe(1_000n)
  const member = await Member.join('readers', 'produced')
  await waitFor('all records', WAIT_MS, () => member.hasCount(1_000))
  expect(member.values).toEqual(values)
  await member.leave()
})

test('two members of a group share the partitions, and take over from one that leaves', async () => {
  await withAdmin((admin) => admin.createTopics({ topics: ['shared'], partitions: 4 }))
  await sharePartitions({
    join: () => Member.join('sharers', 'shared'),
    whileShared: () =>
      withAdmin(async (admin) => {
        const groups = await admin.listGroups()
        expect(groups.get('sharers')).toMatchObject({ protocolType: 'consumer' })
        const described = await admin.describeGroups({ groups: ['sharers'] })
        expect(described.get('sharers')?.members.size).toBe(2)
      }),
  })
})

test.for(BROKER_ENDS)(
  'a group resumes after $what exactly where it committed',
  async ({ what, end }) => {
    const topic = `resumed-${what.replaceAll(/\W/g, '')}`
    await withAdmin((admin) => admin.createTopics({ topics: [topic], partitions: 1 }))
    await resumeWhereCommitted(broker, {
      end,
      produce: (values) => produce(topic, values),
      joinAndCommitThree: async () => {
        const member = await Member.join(topic, topic)
        await waitFor('the records', WAIT_MS, () => member.hasCount(5))
        await member.commit(topic, 3n)
        return member
      },
      join: () => Member.join(topic, topic),
    })
  },
)

type StringConsumer = Consumer<string, string, string, string>
type StringStream = MessagesStream<string, string, string, string>

class Member {
  readonly values: string[] = []
  readonly #consumer: StringConsumer
  readonly #stream: StringStream
  #failure: Error | undefined

  static async join(groupId: string, topic: string): Promise<Member> {
    const consumer: StringConsumer = new Consumer({
      ...options,
      groupId,
      sessionTimeout: 30_000,
      heartbeatInterval: 200,
      deserializers: stringDeserializers,
    })
    const stream = await consumer.consume({
      topics: [topic],
      mode: 'committed',
      fallbackMode: 'earliest',
      autocommit: false,
      maxWaitTime: 200,
    })
    return new Member(consumer, stream)
  }

  private constructor(consumer: StringConsumer, stream: StringStream) {
    this.#consumer = consumer
    this.#stream = stream
    stream.on('data', ({ value }) => this.values.push(value ?? ''))
    // What nobody listens to would end the run of all tests; here it ends the next wait.
    const note = (error: Error): void => {
      this.#failure ??= error
    }
    consumer.on('error', note)
    stream.on('error', note)
  }

  /** Throws what the client ran into by itself. */
  hasCount(count: number): boolean {
    this.#check()
    return this.values.length === count
  }

  get partitions(): readonly number[] {
    this.#check()
    return this.#consumer.assignments?.flatMap(({ partitions }) => partitions) ?? []
  }

  async commit(topic: string, offset: bigint): Promise<void> {
    await this.#consumer.commit({ offsets: [{ topic, partition: 0, offset, leaderEpoch: 0 }] })
  }

  async leave(): Promise<void> {
    await this.#stream.close()
    await this.#consumer.close(true)
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }
}
