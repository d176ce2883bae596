import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APACHE_KAFKA_VERSION, apacheKafkaAbsence, kafkaTool } from '../support/apache-kafka.ts'
import { BrokerProcess } from '../support/broker-process.ts'

let broker: BrokerProcess

describe.skipIf(apacheKafkaAbsence())(`the tools of Apache Kafka ${APACHE_KAFKA_VERSION}`, () => {
  beforeAll(async () => {
    broker = await BrokerProcess.start()
  })
  afterAll(() => broker.stop())

  test('kafka-topics lists a topic that it has created', async () => {
    const topics = (...args: readonly string[]) =>
      kafkaTool('org.apache.kafka.tools.TopicCommand', [
        '--bootstrap-server',
        broker.address,
        ...args,
      ])
    const created = await topics('--create', '--topic', 'made', '--partitions', '3')
    expect(created).toMatchObject({ exitCode: 0, output: 'Created topic made.\n' })
    expect((await topics('--list')).output.split('\n')).toContain('made')
  })
})
