import { existsSync } from 'node:fs'
import { ConfigResourceTypes, Kafka, type KafkaMessage, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { run } from '../support/command.ts'
import { segmentBytes } from '../support/segment-bytes.ts'
import { waitFor } from '../support/wait-for.ts'

const KCAT = '/usr/bin/kcat'
const WAIT_MS = 60_000
const TOPIC = 'prices'
const KEYS = 200
const ROUNDS = 60

let broker: BrokerProcess
let kafka: Kafka

beforeAll(async () => {
  broker = await BrokerProcess.start({
    'log.cleaner.backoff.ms': 50,
    'offsets.topic.num.partitions': 1,
  })
  kafka = new Kafka({
    brokers: [broker.address],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, retries: 20 },
  })
})
afterAll(() => broker.stop())

/** What a reader of the topic makes of it: the latest value of every key that has one. */
class Table {
  readonly #values = new Map<string, string>()
  #lastOffset = -1
  recordCount = 0

  apply({ key, value, offset }: Pick<KafkaMessage, 'key' | 'value' | 'offset'>): void {
    if (Number(offset) <= this.#lastOffset) {
      throw new Error(`offset ${offset} comes after ${this.#lastOffset}`)
    }
    this.#lastOffset = Number(offset)
    this.recordCount += 1
    this.set(key?.toString() ?? '', value?.toString())
  }

  set(key: string, value: string | undefined): void {
    if (value === undefined) this.#values.delete(key)
    else this.#values.set(key, value)
  }

  get rows(): readonly (readonly [string, string])[] {
    return [...this.#values].sort(([left], [right]) => (left < right ? -1 : 1))
  }
}

/** The whole topic, as kcat reads it from the start. */
async function readByKcat(): Promise<Table> {
  const args = ['-b', broker.address, '-C', '-t', TOPIC, '-e', '-q', '-Z', '-f', '%o|%k|%s\n']
  const stdout = await run(KCAT, args)
  const table = new Table()
  for (const line of stdout.split('\n').filter((text) => text !== '')) {
    const [offset = '', key = '', value = ''] = line.split('|')
    const bytes = value === 'NULL' ? null : Buffer.from(value)
    table.apply({ offset, key: Buffer.from(key), value: bytes })
  }
  return table
}

/** What was written to the topic, and how many records that took. */
const expected = new Table()
let sentCount = 0

test('a consumer of a compacted topic sees the table that was written', async () => {
  const admin = kafka.admin()
  await admin.createTopics({
    topics: [
      {
        topic: TOPIC,
        numPartitions: 1,
        configEntries: [
          { name: 'cleanup.policy', value: 'compact' },
          { name: 'segment.bytes', value: '20000' },
          { name: 'min.cleanable.dirty.ratio', value: '0.05' },
        ],
      },
    ],
  })
  const seen = new Table()
  const consumer = kafka.consumer({ groupId: 'reader' })
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => seen.apply(message) })
  const producer = kafka.producer({ idempotent: true })
  await producer.connect()
  for (let round = 0; round < ROUNDS; round += 1) {
    const messages = Array.from({ length: KEYS }, (_, index) => {
      const key = `item ${index}`
      // In the last round every tenth item goes.
      const isGone = round === ROUNDS - 1 && index % 10 === 0
      const value = isGone ? null : `round ${round} ${'.'.repeat(20)}`
      expected.set(key, value ?? undefined)
      return { key, value }
    })
    await producer.send({ topic: TOPIC, messages })
    sentCount += messages.length
  }
  // Something behind the last round, so that its segment is closed and may be compacted.
  await producer.send({ topic: TOPIC, messages: [{ key: 'end', value: '.'.repeat(30_000) }] })
  expected.set('end', '.'.repeat(30_000))
  await producer.disconnect()
  await waitFor('the consumer to have the table', WAIT_MS, () =>
    Promise.resolve(JSON.stringify(seen.rows) === JSON.stringify(expected.rows)),
  )
  await consumer.disconnect()
  await waitFor('the topic to be compacted', WAIT_MS, () =>
    Promise.resolve(segmentBytes(broker.logDirectory, TOPIC, 0) < 100_000),
  )
  await admin.disconnect()
}, 180_000)

// librdkafka, which counts offsets in its own way.
test.runIf(existsSync(KCAT))(
  'a later one, too, from few records, and after a kill -9',
  async () => {
    const late = await readByKcat()
    expect(late.rows).toEqual(expected.rows)
    expect(late.recordCount).toBeLessThan(sentCount / 5)
    await broker.kill()
    broker.restart()
    await broker.ready()
    expect((await readByKcat()).rows).toEqual(expected.rows)
  },
)

test('__consumer_offsets is compacted, and a restart finds the offsets in it', async () => {
  const groupId = 'committer'
  const admin = kafka.admin()
  const consumer = kafka.consumer({ groupId })
  await consumer.subscribe({ topic: TOPIC })
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await consumer.run({ autoCommit: false, eachMessage: () => Promise.resolve() })
  await joined
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: ConfigResourceTypes.TOPIC,
        name: '__consumer_offsets',
        configEntries: [
          { name: 'segment.bytes', value: '5000' },
          { name: 'cleanup.policy', value: 'compact' },
          { name: 'min.cleanable.dirty.ratio', value: '0.05' },
        ],
      },
    ],
  })
  const commits = 500
  for (let offset = 1; offset <= commits; offset += 1) {
    await consumer.commitOffsets([{ topic: TOPIC, partition: 0, offset: String(offset) }])
  }
  await consumer.disconnect()
  await waitFor('the offsets to be compacted', WAIT_MS, () =>
    Promise.resolve(segmentBytes(broker.logDirectory, '__consumer_offsets', 0) < 15_000),
  )
  await broker.kill()
  broker.restart()
  await broker.ready()
  const [committed] = await admin.fetchOffsets({ groupId, topics: [TOPIC] })
  expect(committed?.partitions).toMatchObject([{ partition: 0, offset: String(commits) }])
  await admin.disconnect()
}, 180_000)
