import { loadConfig } from '@fairlead/service'
import { expect, test } from 'vitest'
import { RELAY_CONFIG } from '../config.ts'
import { FakeBrokers } from '../testing/fake-brokers.ts'
import { TailStore } from './tail-store.ts'
import { type TopicCreation, parseTopicCreation } from './topic-creation.ts'
import { Topics } from './topics.ts'

function creation(settings: Readonly<Record<string, string>>): TopicCreation {
  const flags = Object.entries(settings).map(([key, value]) => `--topic.creation.${key}=${value}`)
  const argv = ['--database.url=postgres://localhost/shop', ...flags]
  return parseTopicCreation(loadConfig(RELAY_CONFIG, { argv, env: {}, envPrefix: 'RELAY_' }).config)
}

test('without groups all topics are made as default says, with its settings of topics', () => {
  expect(creation({}).settingsOf('a')).toEqual({
    partitions: 4,
    replicationFactor: -1,
    configs: {},
  })
  const settings = {
    'default.partitions': '-1',
    'default.replication.factor': '3',
    'default.cleanup.policy': 'compact',
    // No other group has what it leaves out.
    'default.include': 'b',
    'default.exclude': 'a',
  }
  expect(creation(settings).settingsOf('a')).toEqual({
    partitions: -1,
    replicationFactor: 3,
    configs: { 'cleanup.policy': 'compact' },
  })
})

test('the first group that matches the whole name has it; what it leaves out of partitions and replicas is as in default', () => {
  const topics = creation({
    groups: 'orders, log.files, default, none',
    'default.partitions': '2',
    'default.replication.factor': '3',
    'default.retention.ms': '1000',
    'orders.include': String.raw`order.*, o\.\d+`,
    'orders.exclude': 'order-test.*,order-dev.*',
    'orders.partitions': '12',
    'orders.min.insync.replicas': '2',
    'log.files.include': 'order-test.*|log',
    'log.files.replication.factor': '-1',
    'log.files.cleanup.policy': 'compact',
  })
  const orders = { partitions: 12, replicationFactor: 3, configs: { 'min.insync.replicas': '2' } }
  const logs = { partitions: 2, replicationFactor: -1, configs: { 'cleanup.policy': 'compact' } }
  const others = { partitions: 2, replicationFactor: 3, configs: { 'retention.ms': '1000' } }
  expect(topics.settingsOf('orders')).toEqual(orders)
  expect(topics.settingsOf('o.7')).toEqual(orders)
  expect(topics.settingsOf('o.7.x')).toEqual(others)
  expect(topics.settingsOf('order-dev.1')).toEqual(others)
  expect(topics.settingsOf('order-test.1')).toEqual(logs)
  expect(topics.settingsOf('log')).toEqual(logs)
  expect(topics.settingsOf('')).toEqual(others)
})

test.for([
  [{ groups: 'a,a' }, 'topic.creation.groups has a name twice'],
  [{ 'b.partitions': '3' }, 'topic.creation.b.partitions is of no group'],
  [{ groups: 'a', 'a.include': '(' }, 'topic.creation.a.include: '],
  [{ groups: 'a', 'a.include': 'x),(y' }, 'topic.creation.a.include: '],
  [{ groups: 'a', 'a.exclude': '[' }, 'topic.creation.a.exclude: '],
  [{ groups: 'a', 'a.partitions': 'many' }, 'topic.creation.a.partitions must be a number'],
  [{ groups: 'a', 'a.partitions': '0' }, 'topic.creation.a.partitions must be at least 1, or -1'],
  [{ groups: 'a', 'a.replication.factor': '32768' }, 'must be a number from 1 to 32767'],
  [{ groups: 'a', 'a.replication.factor': '-2' }, 'replication.factor must be at least 1, or -1'],
  [{ 'default.partitions': '0' }, 'topic.creation.default.partitions must be at least 1, or -1'],
  [{ 'default.replication.factor': '0' }, 'default.replication.factor must be at least 1, or -1'],
] as const)('%j is refused: %s', ([settings, problem]) => {
  expect(() => creation(settings)).toThrow(problem)
})

test('topics are made as their groups say, and that of transactions with one partition', async () => {
  const { admin, reader } = new FakeBrokers().open()
  const made: unknown[] = []
  const topics = new Topics({
    admin: {
      ...admin,
      ensureTopic: (topic) => {
        made.push(topic)
        return admin.ensureTopic(topic)
      },
    },
    reader,
    source: '1/slot',
    creation: creation({
      groups: 'all',
      'all.include': '.*',
      'all.partitions': '3',
      'all.cleanup.policy': 'compact',
    }),
    singlePartitionTopic: 'shop.transaction',
    batches: {
      batchRecordsMax: 10,
      batchBytesMax: 1_000,
      queueBytesMax: 10_000,
      batchesInFlightMax: 1,
    },
    isEncoded: false,
    tails: new TailStore(),
  })
  expect((await topics.open('orders')).partitionCount).toBe(3)
  expect((await topics.open('shop.transaction')).partitionCount).toBe(1)
  const settings = { replicationFactor: -1, configs: { 'cleanup.policy': 'compact' } }
  expect(made).toEqual([
    { topic: 'orders', partitions: 3, ...settings },
    { topic: 'shop.transaction', partitions: 1, ...settings },
  ])
})
