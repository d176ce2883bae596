import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { run } from '../support/command.ts'
import { pythonAbsence, pythonWith } from './clients/python-environment.ts'

const FOLDER = join(import.meta.dirname, 'clients/python')
const REQUIREMENTS = join(FOLDER, 'requirements-consumer-group-exporter-0.5.5.txt')
const TOPIC = 'read'

type Decoded = {
  readonly key: {
    readonly version: number
    readonly group: string
    readonly topic?: string
    readonly partition?: number
  } | null
  readonly value: { readonly offset: number; readonly metadata: string } | null
}

test.skipIf(pythonAbsence())(
  "an exporter's own decoder reads the commits of __consumer_offsets",
  async () => {
    const broker = await BrokerProcess.start({ 'num.partitions': 2 })
    try {
      const kafka = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING })
      const admin = kafka.admin()
      await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 2 }] })
      const consumer = kafka.consumer({ groupId: 'readers' })
      await consumer.subscribe({ topic: TOPIC })
      const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
      await consumer.run({ autoCommit: false, eachMessage: () => Promise.resolve() })
      await joined
      const commits = [
        { topic: TOPIC, partition: 0, offset: '7', metadata: 'ä' },
        { topic: TOPIC, partition: 1, offset: '5000000000' },
      ]
      await consumer.commitOffsets(commits)
      await consumer.disconnect()
      await admin.disconnect()

      const python = await pythonWith(REQUIREMENTS)
      const output = await run(python, [join(FOLDER, 'decode_offsets.py'), broker.address])
      const decoded = output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Decoded)
      const readers = decoded.filter(({ key }) => key?.group === 'readers')
      // kafkajs itself commits -1 where it has no position.
      const offsets = readers.filter(({ value }) => (value?.offset ?? -1) >= 0)
      const committed = offsets.map(({ key, value }) => [key?.partition, value?.offset])
      expect(Object.fromEntries(committed)).toEqual({ 0: 7, 1: 5_000_000_000 })
      expect(offsets.find(({ key }) => key?.partition === 0)?.value?.metadata).toBe('ä')
      expect(readers.filter(({ key }) => key?.version === 2)).not.toEqual([])
      expect(decoded.filter(({ key }) => key === null)).toEqual([])
    } finally {
      await broker.stop()
    }
  },
)
