import { expect, test } from 'vitest'
import { importDebezium } from './import-debezium.ts'

function imported(settings: Readonly<Record<string, string>>) {
  const connector = 'io.debezium.connector.postgresql.PostgresConnector'
  return importDebezium([new Map(Object.entries({ 'connector.class': connector, ...settings }))])
}

test.for([
  ['initial', 'initial'],
  ['always', 'always'],
  ['when_needed', 'when_needed'],
  ['initial_only', 'initial_only'],
  ['no_data', 'no_data'],
  ['never', 'never'],
  // Debezium looks at neither case nor blanks.
  [' INITIAL_ONLY', 'initial_only'],
] as const)('snapshot.mode %s is carried as %s', ([given, carried]) => {
  const { settings, report } = imported({ 'snapshot.mode': given })
  expect(new Map(settings).get('snapshot.mode')).toBe(carried)
  expect(report.find(({ key }) => key === 'snapshot.mode')?.outcome).toBe('carried')
})

test('the topic of transactions is carried', () => {
  const given = { 'provide.transaction.metadata': 'true', 'topic.transaction': 'tx' }
  const { settings, report } = imported({ ...given, 'transaction.metadata.factory': 'x' })
  expect(Object.fromEntries(settings)).toMatchObject(given)
  const outcomes = Object.fromEntries(report.map(({ key, outcome }) => [key, outcome]))
  expect(outcomes).toMatchObject({
    'provide.transaction.metadata': 'carried',
    'topic.transaction': 'carried',
    'transaction.metadata.factory': 'missing',
  })
})

test('heartbeats are carried, and their query where there are any', () => {
  const query = 'update beat set at = now()'
  const on = imported({ 'heartbeat.interval.ms': '10000', 'heartbeat.action.query': query })
  expect(Object.fromEntries(on.settings)).toMatchObject({
    'heartbeat.interval.ms': '10000',
    'heartbeat.action.query': query,
  })
  const off = imported({ 'heartbeat.action.query': query })
  expect(new Map(off.settings).has('heartbeat.action.query')).toBe(false)
  expect(off.report.find(({ key }) => key === 'heartbeat.action.query')?.outcome).toBe('needless')
})

test('groups of topics are carried, and what no group of Kafka Connect has is not', () => {
  const given = {
    'topic.creation.groups': 'orders, log.files',
    'topic.creation.default.partitions': '-1',
    'topic.creation.default.replication.factor': '3',
    'topic.creation.orders.include': 'outbox\\.event\\.order,x',
    'topic.creation.log.files.cleanup.policy': 'compact',
  }
  const { settings, report } = imported({
    ...given,
    'topic.creation.default.include': '.*',
    'topic.creation.other.partitions': '3',
    'topic.creation.enable': 'false',
  })
  const carried = settings.filter(([key]) => key.startsWith('topic.creation.'))
  expect(Object.fromEntries(carried)).toEqual(given)
  const outcomes = Object.fromEntries(report.map(({ key, outcome }) => [key, outcome]))
  expect(outcomes).toMatchObject({
    'topic.creation.orders.include': 'carried',
    'topic.creation.default.include': 'needless',
    'topic.creation.other.partitions': 'needless',
    'topic.creation.enable': 'missing',
  })
})

test.for([
  ['publish.via.partition.root', 'true', 'needless'],
  ['publish.via.partition.root', 'false', 'missing'],
  ['read.only', 'true', 'missing'],
  ['lsn.flush.timeout.ms', '30000', 'needless'],
] as const)('%s=%s is %s', ([key, value, outcome]) => {
  const { settings, report } = imported({ [key]: value })
  expect(new Map(settings).has(key)).toBe(false)
  const line = report.find((found) => found.key === key)
  expect(line).toMatchObject({ value, outcome })
  expect(line?.note).not.toContain('unknown')
})

test.for(['configuration_based', 'custom', 'schema_only'])(
  'snapshot.mode %s has no counterpart',
  (mode) => {
    const { settings, report } = imported({ 'snapshot.mode': mode })
    expect(new Map(settings).has('snapshot.mode')).toBe(false)
    expect(report.find(({ key }) => key === 'snapshot.mode')).toMatchObject({
      value: mode,
      outcome: 'missing',
    })
  },
)

test.for(['', 'producer.', 'sink.kafka.producer.'])(
  'how brokers are spoken to is carried from %s…, and no password is told',
  (prefix) => {
    const { settings, report } = imported({
      [`${prefix}security.protocol`]: 'SASL_SSL',
      [`${prefix}sasl.mechanism`]: 'SCRAM-SHA-512',
      [`${prefix}sasl.jaas.config`]:
        'org.apache…ScramLoginModule required username="ann" password="key";',
      [`${prefix}ssl.truststore.password`]: 'of the store',
    })
    expect(Object.fromEntries(settings)).toMatchObject({
      'security.protocol': 'SASL_SSL',
      'sasl.mechanism': 'SCRAM-SHA-512',
      'sasl.username': 'ann',
      'sasl.password': 'key',
    })
    expect(JSON.stringify(report)).not.toMatch(/password=|of the store/)
    expect(report.find(({ key }) => key.includes('ssl.truststore'))?.outcome).toBe('missing')
  },
)

test.for(['disable', 'require', 'verify-ca', 'Verify-Full'])(
  'database.sslmode %s is carried, with its files',
  (mode) => {
    const { settings, report } = imported({
      'database.hostname': 'db.example',
      'database.sslmode': mode,
      'database.sslrootcert': '/ca.pem',
      'database.sslkey': '/key.pk8',
    })
    expect(Object.fromEntries(settings)).toMatchObject({
      'database.url': 'postgres://postgres@db.example:5432/postgres',
      'database.sslmode': mode.toLowerCase(),
      'database.sslrootcert': '/ca.pem',
    })
    expect(report.find(({ key }) => key === 'database.sslkey')?.outcome).toBe('missing')
  },
)

test.for([
  [{}, 'verify-full', 'assumed'],
  [{ 'database.sslmode': 'prefer' }, 'prefer', 'missing'],
  [{ 'database.sslmode': 'allow' }, 'allow', 'missing'],
] as const)('what takes any server has no counterpart: %j', ([given, value, outcome]) => {
  const { settings, report } = imported(given)
  expect(new Map(settings).has('database.sslmode')).toBe(false)
  expect(report.find(({ key }) => key === 'database.sslmode')).toMatchObject({ value, outcome })
})

test('who asks the schema registry is carried, and told without what is secret', () => {
  const { settings, report } = imported({
    'value.converter': 'io.confluent.connect.avro.AvroConverter',
    'value.converter.schema.registry.url': 'https://registry:8081',
    'value.converter.basic.auth.credentials.source': 'USER_INFO',
    'value.converter.schema.registry.basic.auth.user.info': 'ana:hunter2',
  })
  expect(Object.fromEntries(settings)).toMatchObject({
    'basic.auth.credentials.source': 'USER_INFO',
    'basic.auth.user.info': 'ana:hunter2',
  })
  const ofConverter = report.filter(({ key }) => key.includes('basic.auth'))
  expect(ofConverter.map(({ outcome }) => outcome)).toEqual(['carried', 'carried'])
  expect(JSON.stringify(report)).not.toContain('hunter2')
})
