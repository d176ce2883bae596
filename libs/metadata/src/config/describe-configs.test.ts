import { expect, test } from 'vitest'
import { describeConfigs } from '../index.ts'
import { BROKER_ID, Cluster } from '../testing/fixtures.ts'

const TOPIC = 2
const BROKER = 4

type Options = {
  readonly broker?: Readonly<Record<string, string>>
  readonly keys?: readonly string[] | null
  readonly includeSynonyms?: boolean
  readonly includeDocumentation?: boolean
}

function describeOne(resourceType: number, resourceName: string, options: Options = {}) {
  const cluster = new Cluster(options.broker)
  cluster.create([{ name: 'orders', configs: [{ name: 'segment.ms', value: '5000' }] }])
  const { results } = describeConfigs(
    cluster.image,
    {
      resources: [{ resourceType, resourceName, configurationKeys: options.keys ?? null }],
      includeSynonyms: options.includeSynonyms ?? false,
      includeDocumentation: options.includeDocumentation ?? false,
    },
    { brokerId: BROKER_ID, broker: cluster.context.broker },
  )
  const [result] = results
  if (result === undefined) throw new Error('every resource has a result')
  return {
    ...result,
    config: (name: string) => result.configs.find((entry) => entry.name === name),
  }
}

test('a default is told from what was set for the topic and from what the broker sets', () => {
  const broker = { 'log.retention.hours': '2', 'compression.type': 'producer' }
  const { config } = describeOne(TOPIC, 'orders', { broker })
  expect(config('cleanup.policy')).toMatchObject({ value: 'delete', configSource: 5 })
  expect(config('segment.ms')).toMatchObject({ value: '5000', configSource: 1 })
  expect(config('retention.ms')).toMatchObject({ value: '7200000', configSource: 4 })
  expect(config('compression.type')).toMatchObject({ value: 'producer', configSource: 4 })
})

test('values are shown as they were understood, and those of the broker beside them as written', () => {
  const broker = { 'log.cleaner.min.cleanable.ratio': '.4', 'auto.create.topics.enable': 'TRUE' }
  const { config } = describeOne(TOPIC, 'orders', { broker, includeSynonyms: true })
  expect(config('min.cleanable.dirty.ratio')?.value).toBe('0.4')
  expect(config('min.cleanable.dirty.ratio')?.synonyms[0]?.value).toBe('.4')
  const described = describeOne(BROKER, '1', { broker })
  expect(described.config('auto.create.topics.enable')?.value).toBe('true')
})

test('synonyms name every place with a value, the one in effect first', () => {
  const broker = { 'log.roll.hours': '3' }
  const { config } = describeOne(TOPIC, 'orders', { broker, includeSynonyms: true })
  expect(config('segment.ms')?.synonyms).toEqual([
    { name: 'segment.ms', value: '5000', source: 1 },
    { name: 'log.roll.hours', value: '3', source: 4 },
  ])
  expect(describeOne(TOPIC, 'orders').config('segment.ms')?.synonyms).toEqual([])
})

test('log.retention.ms wins over minutes, and minutes over hours', () => {
  const broker = { 'log.retention.hours': '1', 'log.retention.minutes': '2' }
  expect(describeOne(TOPIC, 'orders', { broker }).config('retention.ms')?.value).toBe('120000')
  const all = { ...broker, 'log.retention.ms': '-1' }
  expect(describeOne(TOPIC, 'orders', { broker: all }).config('retention.ms')?.value).toBe('-1')
})

test('only the keys that were asked for are answered', () => {
  const keys = ['retention.ms', 'no.such.key']
  expect(describeOne(TOPIC, 'orders', { keys }).configs.map(({ name }) => name)).toEqual([
    'retention.ms',
  ])
})

test('documentation and types come on request', () => {
  const { config } = describeOne(TOPIC, 'orders', { includeDocumentation: true })
  expect(config('retention.ms')?.documentation).toContain('Age')
  expect(config('retention.ms')?.configType).toBe(5)
  expect(config('cleanup.policy')?.configType).toBe(7)
  expect(describeOne(TOPIC, 'orders').config('retention.ms')?.documentation).toBeNull()
})

test('the broker shows its own keys, read-only', () => {
  const { config, errorCode } = describeOne(BROKER, '1', { broker: { 'num.partitions': '4' } })
  expect(errorCode).toBe('NONE')
  expect(config('num.partitions')).toMatchObject({ value: '4', configSource: 4, readOnly: true })
  expect(config('message.max.bytes')).toMatchObject({ value: '1048588', configSource: 5 })
  expect(config('log.retention.ms')).toMatchObject({ value: null, configSource: 5 })
})

test.for([
  [TOPIC, 'absent', 'UNKNOWN_TOPIC_OR_PARTITION'],
  [TOPIC, 'bad/name', 'INVALID_TOPIC_EXCEPTION'],
  [BROKER, '2', 'INVALID_REQUEST'],
  [BROKER, 'x', 'INVALID_REQUEST'],
  [3, '1', 'INVALID_REQUEST'],
] as const)('resource %i "%s" is %s', ([resourceType, resourceName, errorCode]) => {
  const result = describeOne(resourceType, resourceName)
  expect(result).toMatchObject({ errorCode, resourceType, resourceName, configs: [] })
})

test.for([8, 16, 32])('a resource of type %i has nothing to configure', (type) => {
  expect(describeOne(type, '1')).toMatchObject({ errorCode: 'NONE', configs: [] })
})

test('the empty broker name shows what is set for all brokers, and nothing else', () => {
  expect(describeOne(BROKER, '', { broker: { 'num.partitions': '4' } }).configs).toEqual([])
})

test('a resource that is named many times is described once', () => {
  const cluster = new Cluster()
  cluster.create([{ name: 'orders' }])
  const resource = { resourceType: TOPIC, resourceName: 'orders', configurationKeys: null }
  const request = {
    resources: [resource, resource, resource],
    includeSynonyms: true,
    includeDocumentation: true,
  }
  const context = { brokerId: BROKER_ID, broker: cluster.context.broker }
  const { results } = describeConfigs(cluster.image, request, context)
  expect(results.map(({ errorCode, configs }) => [errorCode, configs.length > 0])).toEqual([
    ['NONE', true],
    ['INVALID_REQUEST', false],
    ['INVALID_REQUEST', false],
  ])
})
