import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APACHE_KAFKA_VERSION, apacheKafkaAbsence, kafkaTool } from '../support/apache-kafka.ts'
import { BrokerProcess } from '../support/broker-process.ts'

/** What Apache Kafka's own tools make of our groups, and of the records that keep them. */

const TOPIC = 'administered'
const GROUP = 'tools'

let broker: BrokerProcess
let kafka: Kafka

async function groups(...args: readonly string[]): Promise<string> {
  const { output } = await kafkaTool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
    '--bootstrap-server',
    broker.address,
    ...args,
  ])
  return output
}

/** The records of `__consumer_offsets`, as Kafka's formatter for this kind prints them. */
async function internalRecords(formatter: string): Promise<string> {
  const { output } = await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    '--bootstrap-server',
    broker.address,
    '--topic',
    '__consumer_offsets',
    '--from-beginning',
    '--timeout-ms',
    '10000',
    '--formatter',
    `org.apache.kafka.tools.consumer.${formatter}`,
  ])
  return output
}

/** A line of the table that describes a group, by topic and partition. */
function row(table: string, partition: number): readonly string[] {
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/))
  return rows.find((cells) => cells[1] === TOPIC && cells[2] === `${partition}`) ?? []
}

describe.skipIf(apacheKafkaAbsence())(`Apache Kafka ${APACHE_KAFKA_VERSION}`, () => {
  beforeAll(async () => {
    broker = await BrokerProcess.start({ 'offsets.topic.num.partitions': 3 })
    kafka = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING })
    const admin = kafka.admin()
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 2 }] })
    const producer = kafka.producer()
    await producer.connect()
    const messages = Array.from({ length: 10 }, (_, index) => ({
      partition: index % 2,
      value: 'v',
    }))
    await producer.send({ topic: TOPIC, messages })
    await producer.disconnect()
    const partitions = [
      { partition: 0, offset: '3' },
      { partition: 1, offset: '5' },
    ]
    await admin.setOffsets({ groupId: GROUP, topic: TOPIC, partitions })
    await admin.disconnect()
  })
  afterAll(() => broker.stop())

  test('kafka-consumer-groups lists, describes and resets a group', async () => {
    expect(await groups('--list', '--state')).toMatch(
      new RegExp(`${GROUP}\\s+Classic\\s+Empty|${GROUP}\\s+Empty`),
    )
    const described = await groups('--describe', '--group', GROUP)
    // GROUP, TOPIC, PARTITION, CURRENT-OFFSET, LOG-END-OFFSET, LAG
    expect(row(described, 0).slice(0, 6)).toEqual([GROUP, TOPIC, '0', '3', '5', '2'])
    expect(row(described, 1).slice(0, 6)).toEqual([GROUP, TOPIC, '1', '5', '5', '0'])
    await groups(
      '--reset-offsets',
      '--to-earliest',
      '--group',
      GROUP,
      '--topic',
      TOPIC,
      '--execute',
    )
    expect(row(await groups('--describe', '--group', GROUP), 1)[3]).toBe('0')
  })

  test('the formatters read what is kept of groups and offsets', async () => {
    const consumer = kafka.consumer({ groupId: 'members' })
    await consumer.connect()
    await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
    const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve))
    await consumer.run({ eachMessage: async () => {} })
    await joined
    await consumer.disconnect()

    const offsets = await internalRecords('OffsetsMessageFormatter')
    // One object after the other, without a line between them.
    const committed = offsets
      .replaceAll('}{', '}\n{')
      .split('\n')
      .filter((line) => line.includes(`"group":"${GROUP}"`))
      .map((line) => JSON.parse(line) as { value: { data: { offset: number } } | null })
    const values = committed.map(({ value }) => value?.data.offset)
    expect(values.slice(0, 2)).toEqual(expect.arrayContaining([3, 5]))
    const metadata = await internalRecords('GroupMetadataMessageFormatter')
    expect(metadata).toContain('"group":"members"')
    expect(metadata).toContain('"protocolType":"consumer"')
    expect(metadata).toContain('"clientHost":"/127.0.0.1"')
  })

  test('kafka-consumer-groups deletes offsets, and then the group', async () => {
    await groups('--delete-offsets', '--group', GROUP, '--topic', `${TOPIC}:0`)
    expect(row(await groups('--describe', '--group', GROUP), 0)).toEqual([])
    expect(await groups('--delete', '--group', GROUP)).toContain('was successful')
    expect(await groups('--list')).not.toContain(GROUP)
  })
})
