import { KafkaError, createAdmin, createReader, createTransactionalProducer } from '@fairlead/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APACHE_KAFKA_VERSION, ApacheKafka, apacheKafkaAbsence } from '../support/apache-kafka.ts'
import { fairlead } from '../support/cli.ts'
import { NumberedWriters, committedNumbers, publishedNumbers } from '../support/numbered-writers.ts'
import { RelayStack } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

/** What our client makes of transactions on brokers that have them, and the relay of both. */

const KILLS = Number(process.env['TRANSACTION_KILLS'] ?? 6)
const TOPIC = 'outbox.event.order'
const WAIT = { maxWaitMs: 500, maxBytes: 1_000_000 }

let kafka: ApacheKafka

function producerOf(transactionalId: string) {
  const client = { bootstrapServers: [kafka.address], clientId: 'e2e' }
  return createTransactionalProducer({ ...client, transactionalId, deliveryTimeoutMs: 20_000 })
}

async function topicOf(name: string): Promise<string> {
  const admin = createAdmin({ bootstrapServers: [kafka.address], clientId: 'e2e' })
  const configs = { 'max.message.bytes': '5000' }
  await admin.ensureTopic({ topic: name, partitions: 2, replicationFactor: 1, configs })
  await admin.close()
  return name
}

function record(topic: string, text: string, partition = 0) {
  return { topic, partition, key: null, value: Buffer.from(text), headers: [] }
}

async function valuesOf(topic: string, isolation: 'read_committed' | 'read_uncommitted') {
  const reader = createReader({ bootstrapServers: [kafka.address], clientId: 'e2e' })
  const values: string[] = []
  for (const partition of [0, 1]) {
    let fromOffset = 0
    for (;;) {
      const fetched = await reader.fetch({ topic, partition, fromOffset, isolation, ...WAIT })
      values.push(...fetched.records.map(({ value }) => Buffer.from(value ?? []).toString()))
      if (fetched.nextOffset === fromOffset) break
      fromOffset = fetched.nextOffset
    }
  }
  await reader.close()
  return values
}

describe.skipIf(apacheKafkaAbsence())(`Apache Kafka ${APACHE_KAFKA_VERSION}`, () => {
  beforeAll(async () => {
    kafka = await ApacheKafka.start({
      'transaction.state.log.replication.factor': 1,
      'transaction.state.log.min.isr': 1,
    })
  })
  afterAll(() => kafka?.stop())

  test('what is committed is read, over partitions and transactions', async () => {
    const topic = await topicOf('committed')
    const producer = producerOf('committed')
    await producer.begin()
    for (let number = 0; number < 5; number += 1) {
      await producer.commit([record(topic, `a${number}`), record(topic, `b${number}`, 1)])
    }
    await producer.close()
    const expected = ['a', 'b'].flatMap((name) => [0, 1, 2, 3, 4].map((n) => `${name}${n}`))
    expect(await valuesOf(topic, 'read_committed')).toEqual(expected)
  })

  test('a record that is refused aborts its transaction, and the producer goes on', async () => {
    const topic = await topicOf('refused')
    const producer = producerOf('refused')
    await producer.begin()
    // A new topic has no leader yet: a batch that is sent again may be there, and is not refused then.
    await producer.commit([record(topic, 'first'), record(topic, 'first', 1)])
    const large = record(topic, 'x'.repeat(10_000), 1)
    const failure = await producer
      .commit([record(topic, 'undone'), large])
      .catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(KafkaError)
    expect((failure as KafkaError).rejectedRecords.map(({ recordIndex }) => recordIndex)).toEqual([
      1,
    ])
    await producer.commit([record(topic, 'done')])
    await producer.close()
    expect(await valuesOf(topic, 'read_uncommitted')).toEqual(['first', 'undone', 'done', 'first'])
    expect(await valuesOf(topic, 'read_committed')).toEqual(['first', 'done', 'first'])
  })

  test('whoever begins last fences the one before, whose transaction is not committed', async () => {
    const topic = await topicOf('fenced')
    const first = producerOf('fenced')
    await first.begin()
    await first.commit([record(topic, 'first')])
    const second = producerOf('fenced')
    await second.begin()
    const failure = await first.commit([record(topic, 'zombie')]).catch((error: unknown) => error)
    expect((failure as KafkaError).code).toMatch(/FENCED|INVALID_PRODUCER_EPOCH/)
    await second.commit([record(topic, 'second')])
    await Promise.all([first.close(), second.close()])
    expect(await valuesOf(topic, 'read_committed')).toEqual(['first', 'second'])
  })

  test('a relay that is killed at random publishes each event once, in order, for readers of committed records', async () => {
    await using stack = await RelayStack.start()
    const settings = { 'bootstrap.servers': kafka.address, delivery: 'transactional' }
    let relay = stack.relay({ ...settings, 'max.batch.size': 20 })
    await relay.ready()
    const writers = new NumberedWriters(stack.pool)
    const options = { address: kafka.address, isolation: 'read_committed' } as const
    for (let kill = 0; kill < KILLS; kill += 1) {
      const before = (await stack.records(TOPIC, options)).length
      await waitFor('events', 60_000, async () => {
        return (await stack.records(TOPIC, options)).length > before + 30
      })
      await relay.stop('SIGKILL')
      relay = stack.relay({ ...settings, 'max.batch.size': 20 })
      await relay.ready()
    }
    await writers.stop()
    await stack.confirmed()
    const published = publishedNumbers(await stack.records(TOPIC, options))
    expect(published).toEqual(await committedNumbers(stack.pool))
    const [position] = (await stack.records('relay.fairlead_relay.positions', options)).slice(-1)
    expect(Buffer.from(position?.value ?? []).toString()).toMatch(
      /^\{"lsn":"[0-9A-F]+\/[0-9A-F]+","seq":\d+\}$/,
    )
  })

  test('F31: a relay whose topic of positions was deleted halts, and goes on when an operator says so', async () => {
    await using stack = await RelayStack.start()
    const slot = 'lost'
    const settings = {
      'bootstrap.servers': kafka.address,
      delivery: 'transactional',
      'slot.name': slot,
    }
    const insert = (key: string) =>
      stack.pool.query(
        `insert into outbox.events (aggregatetype, aggregateid, type) values ('lost', $1, 'Tested')`,
        [key],
      )
    const first = stack.relay(settings)
    await first.ready()
    await insert('before')
    await stack.confirmed(60_000, slot)
    await first.stop()
    const admin = createAdmin({ bootstrapServers: [kafka.address], clientId: 'e2e' })
    await admin.deleteTopics([`relay.${slot}.positions`])
    await admin.close()

    const relay = stack.relay(settings)
    await stack.hasState(relay, 'halted')
    expect((await stack.statusOf(relay))?.reason).toContain('fairlead relay reset-position')
    await insert('meanwhile')
    const refused = await fairlead(['relay', 'reset-position', '--relay', relay.url])
    expect(refused.exitCode).toBe(2)
    const order = ['relay', 'reset-position', '--accept-duplicates', '--relay', relay.url]
    const accepted = await fairlead(order)
    expect(accepted).toMatchObject({ exitCode: 0 })
    await stack.confirmed(60_000, slot)
    const options = { address: kafka.address, isolation: 'read_committed' } as const
    const keys = (await stack.records('outbox.event.lost', options)).map(({ key }) =>
      String(Buffer.from(key ?? [])),
    )
    expect(keys.toSorted()).toEqual(['before', 'meanwhile'])
    const needless = await fairlead(order)
    expect(needless.exitCode).not.toBe(0)
  })

  test('a parked event leaves its batch, and the others are committed', async () => {
    await using stack = await RelayStack.start()
    const topic = 'outbox.event.small'
    const admin = createAdmin({ bootstrapServers: [kafka.address], clientId: 'e2e' })
    const configs = { 'max.message.bytes': '5000' }
    await admin.ensureTopic({ topic, partitions: 1, replicationFactor: 1, configs })
    await admin.close()
    const relay = stack.relay({
      'bootstrap.servers': kafka.address,
      delivery: 'transactional',
      'slot.name': 'small',
    })
    await relay.ready()
    await stack.pool.query(
      `insert into outbox.events (aggregatetype, aggregateid, type, payload) values
       ('small', 'a', 'T', 'x'), ('small', 'b', 'T', convert_to(repeat('y', 20000), 'UTF8')), ('small', 'c', 'T', 'z')`,
    )
    await stack.confirmed(120_000, 'small')
    const options = { address: kafka.address, isolation: 'read_committed' } as const
    const keys = (await stack.records(topic, options)).map(({ key }) =>
      String(Buffer.from(key ?? [])),
    )
    expect(keys).toEqual(['a', 'c'])
    const { rows } = await stack.pool.query('select reason_code from relay.parked_event')
    expect(rows).toEqual([{ reason_code: 'MESSAGE_TOO_LARGE' }])
  })
})
