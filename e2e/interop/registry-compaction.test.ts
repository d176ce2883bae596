import { ConfigResourceTypes, Kafka, type Message, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { RegistryProcess } from '../support/registry-process.ts'
import { segmentBytes } from '../support/segment-bytes.ts'
import { waitFor } from '../support/wait-for.ts'

/** A registry whose topic is compacted under it: what it knew is still there, for every instance. */

const WAIT_MS = 60_000
const TOPIC = '_schemas'
const SUBJECTS = ['orders-value', 'orders-key', 'payments-value', 'gone-value', 'hidden-value']
const VERSIONS = 3
const CONFIG_CHANGES = 200

let broker: BrokerProcess
let registry: RegistryProcess

beforeAll(async () => {
  broker = await BrokerProcess.start({ 'log.cleaner.backoff.ms': 50 })
  registry = await RegistryProcess.start(broker.address)
})
afterAll(async () => {
  await registry.stop()
  await broker.stop()
})

async function call(method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${registry.url}${path}`, {
    method,
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const answer: unknown = await response.json()
  expect(response.status, `${method} ${path}: ${JSON.stringify(answer)}`).toBe(200)
  return answer
}

/** Version `version` of a record, each with one more field that has a default. */
function schemaOf(subject: string, version: number): { readonly schema: string } {
  const added = Array.from({ length: version }, (_, index) => ({
    name: `field${index}`,
    type: ['null', 'string'],
    default: null,
  }))
  const name = subject.replaceAll('-', '_')
  const fields = [{ name: 'id', type: 'string' }, ...added]
  return { schema: JSON.stringify({ type: 'record', name, fields }) }
}

/** Everything that a client can ask for. */
async function knowledge(): Promise<unknown> {
  const subjects = (await call('GET', '/subjects?deleted=true')) as string[]
  const versions: unknown[] = []
  for (const subject of subjects) {
    const path = `/subjects/${subject}/versions`
    for (const version of (await call('GET', `${path}?deleted=true`)) as number[]) {
      const stored = (await call('GET', `${path}/${version}?deleted=true`)) as { id: number }
      const byId = await call('GET', `/schemas/ids/${stored.id}`)
      versions.push({ stored, byId })
    }
  }
  return {
    subjects,
    live: await call('GET', '/subjects'),
    versions,
    config: await call('GET', '/config'),
    subjectConfig: await call('GET', '/config/orders-value'),
    mode: await call('GET', '/mode'),
  }
}

async function compactEagerly(): Promise<void> {
  const admin = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING }).admin()
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: ConfigResourceTypes.TOPIC,
        name: TOPIC,
        configEntries: [
          { name: 'cleanup.policy', value: 'compact' },
          { name: 'segment.bytes', value: '5000' },
          { name: 'min.cleanable.dirty.ratio', value: '0.01' },
          // Tombstones go with the next compaction.
          { name: 'delete.retention.ms', value: '0' },
        ],
      },
    ],
  })
  await admin.disconnect()
}

test('a compacted registry knows what it knew, after any restart, and goes on', async () => {
  for (const subject of SUBJECTS) {
    for (let version = 1; version <= VERSIONS; version += 1) {
      await call('POST', `/subjects/${subject}/versions`, schemaOf(subject, version))
    }
  }
  await call('DELETE', '/subjects/hidden-value')
  await call('DELETE', '/subjects/gone-value')
  await call('DELETE', '/subjects/gone-value?permanent=true')
  await call('PUT', '/config', { compatibility: 'FULL' })
  await compactEagerly()
  for (let change = 0; change < CONFIG_CHANGES; change += 1) {
    const compatibility = change % 2 === 0 ? 'NONE' : 'BACKWARD_TRANSITIVE'
    await call('PUT', '/config/orders-value', { compatibility })
  }
  const known = await knowledge()
  expect(known).toMatchObject({
    subjects: ['hidden-value', 'orders-key', 'orders-value', 'payments-value'],
    live: ['orders-key', 'orders-value', 'payments-value'],
    subjectConfig: { compatibilityLevel: 'BACKWARD_TRANSITIVE' },
  })
  // Each change of the configuration takes more than 100 bytes, and all but the last are obsolete.
  await waitFor(`${TOPIC} to be compacted`, WAIT_MS, () =>
    Promise.resolve(segmentBytes(broker.logDirectory, TOPIC, 0) < CONFIG_CHANGES * 100),
  )

  await registry.kill()
  registry.restart()
  await registry.ready()
  expect(await knowledge()).toEqual(known)

  await registry.kill()
  await broker.kill()
  broker.restart()
  await broker.ready()
  registry.restart()
  await registry.ready()
  expect(await knowledge()).toEqual(known)

  const again = await call('POST', '/subjects/orders-value/versions', schemaOf('orders-value', 2))
  const ids = (known as { versions: { stored: { id: number } }[] }).versions.map(
    ({ stored }) => stored.id,
  )
  expect(ids).toContain((again as { id: number }).id)
  const fresh = schemaOf('orders-value', VERSIONS + 1)
  const { id } = (await call('POST', '/subjects/orders-value/versions', fresh)) as { id: number }
  expect(id).toBeGreaterThan(Math.max(...ids))
  expect(await call('GET', '/subjects/orders-value/versions')).toEqual([1, 2, 3, 4])
}, 240_000)

test('a copy of the topic with other offsets ends the registry, and is left as it is', async () => {
  const kafka = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING })
  const read = await recordsOf(kafka, TOPIC)
  const producer = kafka.producer()
  await producer.connect()
  // Without the first, as after a compaction.
  await producer.send({ topic: 'copied', messages: read.slice(1) })
  await producer.disconnect()

  await expect(
    RegistryProcess.start(broker.address, { 'kafkastore.topic': 'copied' }),
  ).rejects.toThrow('is a copy of the topic')
  expect(await recordsOf(kafka, 'copied')).toHaveLength(read.length - 1)
}, 120_000)

/** All of the topic, with its headers. */
async function recordsOf(kafka: Kafka, topic: string): Promise<readonly Message[]> {
  const admin = kafka.admin()
  const [partition] = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  const lastOffset = Number(partition?.high) - 1
  const records: Message[] = []
  const consumer = kafka.consumer({ groupId: `copy of ${topic}` })
  await consumer.subscribe({ topic, fromBeginning: true })
  const { promise: isAtEnd, resolve } = Promise.withResolvers<void>()
  await consumer.run({
    eachMessage: ({ message }) => {
      const { key, value, headers = {} } = message
      records.push({ key, value, headers })
      if (Number(message.offset) === lastOffset) resolve()
      return Promise.resolve()
    },
  })
  await isAtEnd
  await consumer.disconnect()
  return records
}
