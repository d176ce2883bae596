import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import {
  Admin,
  Consumer,
  ProduceAcks,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'

const WAIT_MS = 60_000
const KCAT = '/usr/bin/kcat'
const REBALANCES = 'kafka_server_group_coordinator_metrics_group_completed_rebalance_count'

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})
afterAll(() => broker.stop())

async function withAdmin<Value>(use: (admin: Admin) => Promise<Value>): Promise<Value> {
  const admin = new Admin({ clientId: 'admin', bootstrapBrokers: [broker.address] })
  try {
    return await use(admin)
  } finally {
    await admin.close()
  }
}

async function createTopic(topic: string, partitions: number): Promise<void> {
  await withAdmin((admin) => admin.createTopics({ topics: [topic], partitions }))
}

async function describeGroup(groupId: string) {
  return withAdmin(async (admin) =>
    (await admin.describeGroups({ groups: [groupId] })).get(groupId),
  )
}

async function produce(topic: string, partition: number, value: string): Promise<void> {
  const producer = new Producer({
    clientId: 'producer',
    bootstrapBrokers: [broker.address],
    serializers: stringSerializers,
  })
  await producer.send({ acks: ProduceAcks.ALL, messages: [{ topic, partition, value }] })
  await producer.close()
}

/** A member on @platformatic/kafka, with the partitions that it has. */
async function joinPlatformatic(groupId: string, topic: string, group: object) {
  const consumer = new Consumer<string, string, string, string>({
    clientId: 'platformatic',
    bootstrapBrokers: [broker.address],
    groupId,
    sessionTimeout: 30_000,
    rebalanceTimeout: 60_000,
    heartbeatInterval: 200,
    deserializers: stringDeserializers,
    retries: false,
    ...group,
  })
  // What it meets in a rebalance it tells, and tries again.
  consumer.on('error', () => {})
  const values: string[] = []
  const stream = await consumer.consume({
    topics: [topic],
    mode: 'committed',
    fallbackMode: 'earliest',
    autocommit: false,
    maxWaitTime: 200,
  })
  stream.on('data', ({ value }) => values.push(value ?? ''))
  stream.on('error', () => {})
  return {
    consumer,
    values,
    partitions: () => consumer.assignments?.flatMap(({ partitions }) => partitions) ?? [],
    async leave() {
      await stream.close()
      await consumer.close(true)
    },
  }
}

describe('static members (KIP-345)', () => {
  test('a member of @platformatic/kafka that restarts gets its place without a rebalance', async () => {
    await createTopic('static', 4)
    const first = await joinPlatformatic('static', 'static', { groupInstanceId: 'one' })
    // As one that was killed it never asks again: it would take its place back, and that without an end.
    const silent = {
      sessionTimeout: 600_000,
      rebalanceTimeout: 600_000,
      heartbeatInterval: 500_000,
    }
    const second = await joinPlatformatic('static', 'static', { groupInstanceId: 'two', ...silent })
    await waitFor('two partitions each', WAIT_MS, () => {
      return first.partitions().length === 2 && second.partitions().length === 2
    })
    const before = await broker.metric(REBALANCES)
    const generation = first.consumer.generationId

    const restarted = await joinPlatformatic('static', 'static', { groupInstanceId: 'two' })
    await waitFor('its partitions', WAIT_MS, () => restarted.partitions().length === 2)
    expect(restarted.partitions()).toEqual(second.partitions())
    expect(restarted.consumer.generationId).toBe(generation)
    expect(await broker.metric(REBALANCES)).toBe(before)
    expect((await describeGroup('static'))?.members.size).toBe(2)

    const [partition = 0] = restarted.partitions()
    await produce('static', partition, 'after the restart')
    await waitFor('a record', WAIT_MS, () => restarted.values.includes('after the restart'))
    for (const member of [restarted, first, second]) await member.leave()
  })
})

describe('cooperative rebalance (KIP-429)', () => {
  test('members of @platformatic/kafka keep what they need not give up', async () => {
    await createTopic('cooperative', 6)
    const group = { protocols: [{ name: 'cooperative-sticky', version: 1 }] }
    const first = await joinPlatformatic('cooperative', 'cooperative', group)
    await waitFor('six partitions', WAIT_MS, () => first.partitions().length === 6)
    const second = await joinPlatformatic('cooperative', 'cooperative', group)
    const owned: (readonly number[])[] = []
    await waitFor('three partitions each', WAIT_MS, () => {
      owned.push(first.partitions())
      return first.partitions().length === 3 && second.partitions().length === 3
    })
    // What it has in the end it had all the time: nothing was revoked to be given back.
    const kept = first.partitions()
    for (const moment of owned) expect(moment).toEqual(expect.arrayContaining([...kept]))
    expect(new Set([...kept, ...second.partitions()]).size).toBe(6)
    expect((await describeGroup('cooperative'))?.protocol).toBe('cooperative-sticky')
    await second.leave()
    await waitFor('six partitions again', WAIT_MS, () => first.partitions().length === 6)
    await first.leave()
  })
})

/** A member on librdkafka 2.0.2: `kcat -G`. */
class Cat {
  output = ''
  readonly process: ChildProcess

  constructor(groupId: string, topic: string, properties: readonly string[]) {
    const options = [
      'auto.offset.reset=earliest',
      'heartbeat.interval.ms=200',
      'session.timeout.ms=30000',
      ...properties,
    ].flatMap((property) => ['-X', property])
    this.process = spawn(KCAT, ['-b', broker.address, '-G', groupId, '-u', ...options, topic])
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    }
  }

  /** What kcat says that it was given last: `[0], [1]`. */
  get assigned(): string {
    return /.*assigned: (.*)$/s.exec(this.output)?.[1]?.split('\n')[0] ?? ''
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const ended = once(this.process, 'exit')
    this.process.kill(signal)
    await ended
  }
}

describe.runIf(existsSync(KCAT))('kcat (librdkafka)', () => {
  test('a static member that is killed comes back without a rebalance', async () => {
    await createTopic('static-cats', 2)
    const properties = (name: string) => [`group.instance.id=${name}`]
    const first = new Cat('static-cats', 'static-cats', properties('one'))
    await waitFor('the first', WAIT_MS, () => first.assigned !== '')
    const second = new Cat('static-cats', 'static-cats', properties('two'))
    await waitFor('the second', WAIT_MS, () => second.assigned !== '')
    await waitFor('a stable group', WAIT_MS, async () => {
      const group = await describeGroup('static-cats')
      return group?.state === 'Stable' && group.members.size === 2
    })
    const before = await broker.metric(REBALANCES)
    await second.end('SIGKILL')
    const again = new Cat('static-cats', 'static-cats', properties('two'))
    await waitFor('its partition', WAIT_MS, () => again.assigned !== '')
    expect(again.assigned).toBe(second.assigned)
    expect(await broker.metric(REBALANCES)).toBe(before)
    for (const cat of [first, again]) await cat.end('SIGTERM')
  })

  test('members with cooperative-sticky share the partitions', async () => {
    await createTopic('sticky-cats', 4)
    const properties = ['partition.assignment.strategy=cooperative-sticky']
    const first = new Cat('sticky-cats', 'sticky-cats', properties)
    await waitFor('the first', WAIT_MS, () => first.output.includes('incremental assignment'))
    const second = new Cat('sticky-cats', 'sticky-cats', properties)
    await waitFor('a stable group of two', WAIT_MS, async () => {
      const group = await describeGroup('sticky-cats')
      const sizes = [...(group?.members.values() ?? [])].map(
        ({ assignments }) => assignments?.get('sticky-cats')?.partitions.length,
      )
      return group?.state === 'Stable' && sizes.join() === '2,2'
    })
    expect((await describeGroup('sticky-cats'))?.protocol).toBe('cooperative-sticky')
    for (const partition of [0, 1, 2, 3]) await produce('sticky-cats', partition, `to ${partition}`)
    await waitFor('every record', WAIT_MS, () =>
      [0, 1, 2, 3].every((partition) =>
        `${first.output}${second.output}`.includes(`to ${partition}`),
      ),
    )
    for (const cat of [first, second]) await cat.end('SIGTERM')
  })
})

describe('an administrator with kafkajs', () => {
  test('resets and deletes offsets and deletes the group, but not while it has members', async () => {
    const topic = 'administered'
    await createTopic(topic, 2)
    const kafka = new Kafka({ brokers: [broker.address], logLevel: logLevel.NOTHING })
    const admin = kafka.admin()
    await admin.connect()
    const member = await joinPlatformatic('administered', topic, {})
    await expect(admin.deleteGroups(['administered'])).rejects.toThrow('Error in DeleteGroups')
    await member.leave()
    const partitions = [{ partition: 0, offset: '7' }]
    await admin.setOffsets({ groupId: 'administered', topic, partitions })
    const [fetched] = await admin.fetchOffsets({ groupId: 'administered', topics: [topic] })
    expect(fetched?.partitions.find(({ partition }) => partition === 0)?.offset).toBe('7')
    await admin.deleteGroups(['administered'])
    const { groups } = await admin.listGroups()
    expect(groups.map(({ groupId }) => groupId)).not.toContain('administered')
    await admin.disconnect()
  })
})
