import { expect, test } from 'vitest'
import {
  alterConfigs,
  incrementalAlterConfigs,
  listConfigResources,
  topicSettings,
} from '../index.ts'
import { BROKER_ID, Cluster } from '../testing/fixtures.ts'

const TOPIC = 2
const BROKER = 4
const SET = 0
const DELETE = 1
const APPEND = 2
const SUBTRACT = 3

type Operation = readonly [configOperation: number, name: string, value: string | null]

function altering(options: { readonly validateOnly?: boolean } = {}) {
  const cluster = new Cluster()
  cluster.create([
    { name: 'orders', configs: [{ name: 'retention.ms', value: '5' }] },
    { name: 'other', configs: [] },
  ])
  cluster.createInternal('__consumer_offsets')
  const { image } = cluster
  const context = {
    brokerId: BROKER_ID,
    broker: cluster.context.broker,
    problemTogether: () => undefined,
  }
  const validateOnly = options.validateOnly ?? false
  return {
    cluster,
    change: (resourceName: string, operations: readonly Operation[], resourceType = TOPIC) => {
      const configs = operations.map(([configOperation, name, value]) => ({
        configOperation,
        name,
        value,
      }))
      const resources = [{ resourceType, resourceName, configs }]
      const { records, response } = incrementalAlterConfigs(
        image,
        { resources, validateOnly },
        context,
      )
      cluster.commit(records)
      return response.responses[0]
    },
    replace: (resourceName: string, configs: Readonly<Record<string, string | null>>) => {
      const entries = Object.entries(configs).map(([name, value]) => ({ name, value }))
      const resources = [{ resourceType: TOPIC, resourceName, configs: entries }]
      const { records, response } = alterConfigs(image, { resources, validateOnly }, context)
      cluster.commit(records)
      return response.responses[0]
    },
    configs: (topic = 'orders') => Object.fromEntries(image.topic(topic)?.configs ?? []),
  }
}

test('single keys are set and deleted, the others stay', () => {
  const { change, configs } = altering()
  expect(change('orders', [[SET, 'segment.ms', '7']])?.errorCode).toBe('NONE')
  expect(configs()).toEqual({ 'retention.ms': '5', 'segment.ms': '7' })
  change('orders', [
    [DELETE, 'retention.ms', null],
    [DELETE, 'segment.bytes', null],
    [SET, 'segment.ms', '8'],
  ])
  expect(configs()).toEqual({ 'segment.ms': '8' })
})

test('items are appended to lists and taken from them', () => {
  const { change, configs } = altering()
  change('orders', [[APPEND, 'cleanup.policy', 'compact']])
  expect(configs()['cleanup.policy']).toBe('delete,compact')
  change('orders', [[APPEND, 'cleanup.policy', 'compact']])
  expect(configs()['cleanup.policy']).toBe('delete,compact')
  change('orders', [[SUBTRACT, 'cleanup.policy', 'delete']])
  expect(configs()['cleanup.policy']).toBe('compact')
})

test('a request that only validates checks, and changes nothing', () => {
  const { change, configs } = altering({ validateOnly: true })
  expect(change('orders', [[SET, 'segment.ms', '7']])?.errorCode).toBe('NONE')
  expect(change('orders', [[SET, 'segment.ms', 'x']])?.errorCode).toBe('INVALID_CONFIG')
  expect(configs()).toEqual({ 'retention.ms': '5' })
})

test.for([
  ['orders', [[SET, 'no.such', '1']], 'INVALID_CONFIG', 'Unknown topic config name: no.such'],
  ['orders', [[SET, 'segment.ms', '0']], 'INVALID_CONFIG', 'Value must be at least 1'],
  ['orders', [[SET, 'segment.ms', null]], 'INVALID_REQUEST', 'Null value not supported'],
  ['orders', [[APPEND, 'segment.ms', '1']], 'INVALID_CONFIG', "Can't APPEND to key segment.ms"],
  ['orders', [[SUBTRACT, 'no.such', '1']], 'INVALID_CONFIG', "Can't SUBTRACT to key no.such"],
  ['orders', [[4, 'segment.ms', '1']], 'INVALID_REQUEST', 'Unknown config operation 4'],
  [
    'orders',
    [
      [SET, 'segment.ms', '1'],
      [DELETE, 'segment.ms', null],
    ],
    'INVALID_REQUEST',
    'duplicate config keys',
  ],
  ['', [[SET, 'segment.ms', '1']], 'INVALID_REQUEST', 'Default topic resources'],
  ['nothing', [[SET, 'segment.ms', '1']], 'UNKNOWN_TOPIC_OR_PARTITION', 'does not exist'],
  ['bad name', [[SET, 'segment.ms', '1']], 'INVALID_TOPIC_EXCEPTION', 'Topic name is invalid'],
  ['__consumer_offsets', [[SET, 'cleanup.policy', 'delete']], 'INVALID_CONFIG', 'stay compact'],
] as const)('topic "%s" with %j is refused with %s', ([name, operations, errorCode, message]) => {
  const { change, configs } = altering()
  expect(change(name, operations)).toMatchObject({
    errorCode,
    errorMessage: expect.stringContaining(message),
    resourceType: TOPIC,
    resourceName: name,
  })
  expect(configs()).toEqual({ 'retention.ms': '5' })
})

test('a refused change of a resource leaves nothing of its other changes', () => {
  const { change, configs } = altering()
  change('orders', [
    [SET, 'segment.ms', '7'],
    [SET, 'segment.bytes', 'x'],
  ])
  expect(configs()).toEqual({ 'retention.ms': '5' })
})

test('AlterConfigs replaces everything', () => {
  const { replace, configs } = altering()
  expect(replace('orders', { 'segment.ms': '7' })?.errorCode).toBe('NONE')
  expect(configs()).toEqual({ 'segment.ms': '7' })
  expect(replace('orders', { 'segment.ms': null })).toMatchObject({ errorCode: 'INVALID_REQUEST' })
  expect(configs()).toEqual({ 'segment.ms': '7' })
  replace('orders', {})
  expect(configs()).toEqual({})
})

test('a resource that is named twice is refused each time', () => {
  const { cluster } = altering()
  const resource = { resourceType: TOPIC, resourceName: 'orders', configs: [] }
  const { response } = alterConfigs(
    cluster.image,
    {
      resources: [resource, { ...resource, resourceName: 'other' }, resource],
      validateOnly: false,
    },
    {
      brokerId: BROKER_ID,
      broker: cluster.context.broker,
      problemTogether: () => undefined,
    },
  )
  expect(response.responses.map(({ errorCode }) => errorCode)).toEqual([
    'INVALID_REQUEST',
    'NONE',
    'INVALID_REQUEST',
  ])
})

test('what is set for one broker wins over what is set for all, and that over the file', () => {
  const { cluster, change } = altering()
  const maxMessageBytes = () => topicSettings(new Map(), cluster.context.broker).maxMessageBytes
  change('', [[SET, 'message.max.bytes', '100']], BROKER)
  expect(maxMessageBytes()).toBe(100)
  change('1', [[SET, 'message.max.bytes', '200']], BROKER)
  expect(maxMessageBytes()).toBe(200)
  change('1', [[DELETE, 'message.max.bytes', null]], BROKER)
  expect(maxMessageBytes()).toBe(100)
  change('', [[DELETE, 'message.max.bytes', null]], BROKER)
  expect(maxMessageBytes()).toBe(1_048_588)
})

test.for([
  ['1', 'num.partitions', '3', 'INVALID_REQUEST', 'Cannot update these configs dynamically'],
  ['1', 'message.max.byte', '3', 'INVALID_REQUEST', 'did you mean message.max.bytes?'],
  ['1', 'leader.replication.throttled.rate', '1', 'INVALID_REQUEST', 'nothing is replicated'],
  ['1', 'num.io.threads', '4', 'INVALID_REQUEST', 'one event loop serves all connections'],
  ['1', 'message.max.bytes', '-1', 'INVALID_REQUEST', 'Value must be at least 0'],
  ['', 'log.cleanup.policy', 'shred', 'INVALID_REQUEST', 'String must be one of: compact, delete'],
  ['2', 'message.max.bytes', '3', 'INVALID_REQUEST', 'Unexpected broker id, expected 1'],
  ['one', 'message.max.bytes', '3', 'INVALID_REQUEST', 'Node id must be an integer'],
] as const)(
  'broker "%s" with %s=%s is refused with %s',
  ([name, key, value, errorCode, message]) => {
    const { change } = altering()
    expect(change(name, [[SET, key, value]], BROKER)).toMatchObject({
      errorCode,
      errorMessage: expect.stringContaining(message),
    })
  },
)

test.for([8, 16, 32, 99])('a resource of type %i has no configuration to change', (type) => {
  expect(altering().change('1', [[SET, 'a', 'b']], type)?.errorCode).toBe('INVALID_REQUEST')
})

test('resources that have a configuration are listed by type', () => {
  const { cluster } = altering()
  const list = (apiVersion: number, resourceTypes: readonly number[]) =>
    listConfigResources(cluster.image, { resourceTypes }, { apiVersion, brokerId: BROKER_ID })
  expect(list(0, [])).toEqual({ errorCode: 'NONE', configResources: [] })
  expect(list(1, [BROKER]).configResources).toEqual([{ resourceType: BROKER, resourceName: '1' }])
  expect(list(1, [TOPIC, TOPIC]).configResources.map(({ resourceName }) => resourceName)).toEqual([
    'orders',
    'other',
    '__consumer_offsets',
  ])
  expect(list(1, []).configResources).toHaveLength(5)
  expect(list(1, [3])).toEqual({ errorCode: 'UNSUPPORTED_VERSION', configResources: [] })
})
