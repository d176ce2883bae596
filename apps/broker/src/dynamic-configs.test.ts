import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { TOPIC, createTopic, produce, segmentPaths } from './testing/log-traffic.ts'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from './testing/test-broker.ts'
import { TestClient } from './testing/test-client.ts'

const BROKER = 4
const SET = 0
const SOON = { timeout: 60_000, interval: 20 }
const SOFTWARE = { clientSoftwareName: 'test', clientSoftwareVersion: '1' }

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp()
})

async function start(
  settings: Readonly<Record<string, string>> = {},
  directory = temporaryDirectory(),
): Promise<{ broker: TestBroker; client: TestClient }> {
  const broker = await startTestBroker(directory, settings)
  const client = new TestClient(broker.port)
  cleanups.push(async () => {
    client.close()
    await broker.stop()
    removeDirectory(directory)
  })
  return { broker, client }
}

async function set(
  client: TestClient,
  values: Readonly<Record<string, string>>,
  resourceName = '1',
) {
  const configs = Object.entries(values).map(([name, value]) => ({
    configOperation: SET,
    name,
    value,
  }))
  const { responses } = await client.call('IncrementalAlterConfigs', {
    resources: [{ resourceType: BROKER, resourceName, configs }],
    validateOnly: false,
  })
  return responses[0]?.errorMessage
}

/** Whether the broker serves one connection more. */
async function isServed(port: number): Promise<boolean> {
  const client = new TestClient(port)
  cleanups.push(async () => client.close())
  return client.call('ApiVersions', SOFTWARE).then(
    () => true,
    () => false,
  )
}

describe('limits of connections', () => {
  test('change while the broker runs, and are kept over a restart', async () => {
    const directory = temporaryDirectory()
    const first = await startTestBroker(directory)
    const client = new TestClient(first.port)
    expect(await isServed(first.port)).toBe(true)
    expect(await set(client, { 'max.connections': '2' }, '')).toBeNull()
    expect(await isServed(first.port)).toBe(false)
    expect(await set(client, { 'max.connections': '3' })).toBeNull()
    expect(await isServed(first.port)).toBe(true)
    expect(await isServed(first.port)).toBe(false)
    client.close()
    await first.stop()

    const { broker } = await start({}, directory)
    expect(await isServed(broker.port)).toBe(true)
    expect(await isServed(broker.port)).toBe(true)
    expect(await isServed(broker.port)).toBe(false)
  })

  test('end what is beyond a lower one, what was silent for the longest time first', async () => {
    const { broker, client } = await start()
    const others = Array.from({ length: 4 }, () => new TestClient(broker.port))
    cleanups.push(async () => others.forEach((other) => other.close()))
    for (const other of others) await other.call('ApiVersions', SOFTWARE)
    const [first, second, third, fourth] = others
    // From here on the second one was silent for the longest time, then the fourth.
    for (const other of [third, first]) await other?.call('ApiVersions', SOFTWARE)
    expect(await set(client, { 'max.connections.per.ip': '1' })).toBeNull()
    expect(await set(client, { 'max.connections': '3' })).toBeNull()
    expect(await Promise.all([second?.frame(), fourth?.frame()])).toEqual([undefined, undefined])
    for (const other of [first, third]) await other?.call('ApiVersions', SOFTWARE)
    const metrics = await broker.metrics.registry.metrics()
    expect(metrics).toContain('{listener="PLAINTEXT",reason="excess"} 2')
    expect(await isServed(broker.port)).toBe(false)
  })

  test('of single addresses, too, as long as they make sense', async () => {
    const { broker, client } = await start()
    const key = 'max.connections.per.ip.overrides'
    expect(await set(client, { [key]: '127.0.0.1' })).toContain('write it like 10.0.0.1:200')
    expect(await isServed(broker.port)).toBe(true)
    expect(await set(client, { [key]: '127.0.0.1:1' })).toBeNull()
    expect(await isServed(broker.port)).toBe(false)
    expect(await set(client, { [key]: '', 'max.connections.per.ip': '1' })).toBeNull()
    expect(await isServed(broker.port)).toBe(false)
    expect(await set(client, { 'max.connections.per.ip': '100' })).toBeNull()
    expect(await isServed(broker.port)).toBe(true)
  })

  test('and of their rate', async () => {
    const { broker, client } = await start()
    expect(await set(client, { 'max.connection.creation.rate': '1' })).toBeNull()
    expect(await isServed(broker.port)).toBe(true)
    expect(await isServed(broker.port)).toBe(true)
    const metrics = await broker.metrics.registry.metrics()
    expect(metrics).toMatch(/fairlead_connections_throttled [12]/)
  })
})

describe('compaction', () => {
  const COMPACTED = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0' }

  test('is looked for more often at once', async () => {
    const { broker, client } = await start({ 'log.cleaner.backoff.ms': '3600000' })
    const topicId = await createTopic(client, COMPACTED)
    await produce(client, topicId, 0, 400)
    const before = segmentPaths(broker.directory).length
    expect(await set(client, { 'log.cleaner.backoff.ms': '20' })).toBeNull()
    await expect.poll(() => segmentPaths(broker.directory).length, SOON).toBeLessThan(before / 2)
  })

  test('that is under way goes on at the new rate, with more threads', async () => {
    // At this rate it takes a minute.
    const rate = 'log.cleaner.io.max.bytes.per.second'
    const { broker, client } = await start({ 'log.cleaner.backoff.ms': '20', [rate]: '10000' })
    const topicId = await createTopic(client, { ...COMPACTED, 'min.compaction.lag.ms': '1000' })
    await produce(client, topicId, 0, 1000)
    const partition = join(broker.directory, `${TOPIC}-0`)
    const isUnderWay = () => readdirSync(partition).some((name) => name.endsWith('.cleaned'))
    await expect.poll(isUnderWay, SOON).toBe(true)
    const before = segmentPaths(broker.directory).length
    expect(await set(client, { 'log.cleaner.threads': '2', [rate]: '100000000' })).toBeNull()
    await expect.poll(() => segmentPaths(broker.directory).length, SOON).toBeLessThan(before / 2)
    expect(broker.failures).toEqual([])
  }, 120_000)

  test('has its limits for one change, and for the memory', async () => {
    const { client } = await start()
    expect(await set(client, { 'log.cleaner.threads': '3' })).toContain(
      'cannot be increased to more than double the current value 1',
    )
    expect(await set(client, { 'log.cleaner.dedupe.buffer.size': '10000000000' })).toContain(
      'memory.limit.bytes',
    )
  })
})
