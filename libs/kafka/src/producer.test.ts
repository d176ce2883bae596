import { afterEach, describe, expect, test } from 'vitest'
import { FakeBroker, type ProduceFault } from './fake-broker.ts'
import { KafkaError } from './kafka-error.ts'
import { createProducer } from './producer.ts'
import { createReader } from './reader.ts'
import { RejectedKeys } from './rejected-keys.ts'

const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function connected(faults: readonly ProduceFault[], changes: object = {}) {
  const broker = await FakeBroker.listen(faults)
  const options = { bootstrapServers: [broker.address], clientId: 'test', ...changes }
  const producer = createProducer(options)
  closers.push(
    () => broker.close(),
    () => producer.close(),
  )
  return { broker, producer, options }
}

function records(...values: readonly string[]) {
  return values.map((value) => ({
    topic: 't',
    partition: 0,
    key: null,
    value: Buffer.from(value),
    headers: [],
  }))
}

const offsets = (locations: readonly { readonly offset: number }[]) =>
  locations.map(({ offset }) => offset)

describe('a record is stored once', () => {
  test.for([
    { fault: { kind: 'reset' } },
    { fault: { kind: 'store-then-reset' } },
    { fault: { kind: 'store-then-silence' } },
    { fault: { kind: 'error', errorCode: 6 } },
  ] as const)('after $fault.kind, with the records behind it in order', async ({ fault }) => {
    const { broker, producer } = await connected([fault], { requestTimeoutMs: 200 })
    const answers = await Promise.all([
      producer.send(records('a', 'b')),
      producer.send(records('c')),
      producer.send(records('d', 'e')),
    ])
    expect(answers.map(offsets)).toEqual([[0, 1], [2], [3, 4]])
    expect(broker.stored).toEqual(['a', 'b', 'c', 'd', 'e'])
  })
})

test('InitProducerId asks for a new id with -1 and -1', async () => {
  const { broker, producer } = await connected([])
  await producer.send(records('a'))
  expect(broker.initProducerIdArguments).toEqual({ producerId: -1n, producerEpoch: -1 })
})

test('sends wait in few requests while one is on its way', async () => {
  const { broker, producer } = await connected([])
  await producer.send(records('first'))
  const values = Array.from({ length: 50 }, (_, index) => String(index))
  await Promise.all(values.map((value) => producer.send(records(value))))
  expect(broker.stored).toEqual(['first', ...values])
  expect(broker.produceRequestCount).toBeLessThan(10)
})

test('a lost sequence ends the producer for this send and all later ones', async () => {
  const { producer } = await connected([{ kind: 'error', errorCode: 45 }])
  const failed = { code: 'OUT_OF_ORDER_SEQUENCE_NUMBER', retryable: false, rejectedRecords: [] }
  await expect(producer.send(records('a'))).rejects.toMatchObject(failed)
  await expect(producer.send(records('b'))).rejects.toMatchObject(failed)
})

test('a record that is too large is rejected alone', async () => {
  const { broker, producer } = await connected([], { maxRequestSizeBytes: 1_000 })
  const sent = producer.send(records('a', 'x'.repeat(2_000), 'b'))
  await expect(sent).rejects.toMatchObject({
    code: 'MESSAGE_TOO_LARGE',
    rejectedRecords: [{ recordIndex: 1 }],
  })
  expect(broker.stored).toEqual(['a', 'b'])
})

test('sends with the same rejected keys keep the order of a key together', async () => {
  const { broker, producer } = await connected([], { maxRequestSizeBytes: 1_000 })
  const rejectedKeys = new RejectedKeys()
  const keyed = (key: string, value: string) =>
    records(value).map((record) => ({ ...record, key: Buffer.from(key) }))
  const first = producer.send(keyed('k', 'x'.repeat(2_000)), rejectedKeys)
  const behind = producer.send([...keyed('k', 'b'), ...keyed('other', 'c')], rejectedKeys)
  const apart = producer.send(keyed('k', 'd'))
  await expect(first).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  await expect(behind).rejects.toMatchObject({
    rejectedRecords: [{ recordIndex: 0, code: 'PRECEDING_RECORD_REJECTED' }],
  })
  await apart
  expect(broker.stored).toEqual(['c', 'd'])
})

test('a leader that moves while a send waits for another topic makes no topic invalid', async () => {
  const { broker, producer } = await connected([
    { kind: 'answer' },
    { kind: 'error', errorCode: 6 },
  ])
  const [record] = records('b')
  const placed = { ...record, topic: 't', partition: undefined, headers: [], key: null }
  await producer.send(records('first'))
  const before = producer.send(records('a'))
  const sent = producer.send([
    { ...placed, value: Buffer.from('b') },
    { ...placed, topic: 'not valid', value: null },
  ])
  await expect(sent).rejects.toMatchObject({
    rejectedRecords: [{ recordIndex: 1, code: 'INVALID_TOPIC_EXCEPTION' }],
  })
  await before
  expect(broker.stored).toEqual(['first', 'a', 'b'])
})

test('a producer that may not send any more sends no retry', async () => {
  let isPermitted = true
  const { broker, producer } = await connected([{ kind: 'store-then-reset' }], {
    isPermitted: () => isPermitted,
    requestTimeoutMs: 200,
  })
  const sent = producer.send(records('a'))
  await expect.poll(() => broker.stored).toEqual(['a'])
  isPermitted = false
  await expect(sent).rejects.toMatchObject({ code: 'REVOKED', rejectedRecords: [] })
  await expect(producer.send(records('b'))).rejects.toMatchObject({ code: 'REVOKED' })
  expect(broker.produceRequestCount).toBe(1)
})

test('a broker that refuses each batch gets them record by record', async () => {
  const tooLarge: ProduceFault = { kind: 'error', errorCode: 10 }
  const { broker, producer } = await connected([tooLarge, tooLarge])
  await expect(producer.send(records('a', 'b', 'c'))).resolves.toHaveLength(3)
  expect(broker.stored).toEqual(['a', 'b', 'c'])
})

test('a broker that stays away ends the producer after the delivery timeout', async () => {
  const { broker, producer } = await connected([], { deliveryTimeoutMs: 300 })
  await producer.send(records('a'))
  await broker.close()
  const error: unknown = await producer.send(records('b')).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(KafkaError)
  expect(error).toMatchObject({ code: 'NETWORK', retryable: true, rejectedRecords: [] })
  await expect(producer.send(records('c'))).rejects.toBe(error)
})

test('a broker that never answers is given up within the delivery timeout', async () => {
  const silence: ProduceFault = { kind: 'store-then-silence' }
  const { producer } = await connected([silence, silence], { deliveryTimeoutMs: 300 })
  await expect(producer.send(records('a'))).rejects.toMatchObject({ code: 'TIMEOUT' })
})

test('close ends what waits, and the connections', async () => {
  const { broker, producer } = await connected([])
  await producer.send(records('a'))
  await producer.close()
  await expect(producer.send(records('b'))).rejects.toMatchObject({ code: 'CLOSED' })
  await expect.poll(() => broker.connectionCount).toBe(0)
})

describe('a fetch that waits', () => {
  const request = { topic: 't', partition: 0, fromOffset: 0, maxWaitMs: 60_000, maxBytes: 1_000 }

  test('ends when its signal fires', async () => {
    const { broker, options } = await connected([])
    const reader = createReader(options)
    const abort = new AbortController()
    const fetched = reader.fetch({ ...request, signal: abort.signal })
    await expect.poll(() => broker.fetchRequestCount).toBe(1)
    abort.abort()
    await expect(fetched).rejects.toMatchObject({ code: 'ABORTED' })
    await reader.close()
  })

  test('ends when the reader is closed', async () => {
    const { broker, options } = await connected([])
    const reader = createReader(options)
    const fetched = reader.fetch(request)
    await expect.poll(() => broker.fetchRequestCount).toBe(1)
    await reader.close()
    await expect(fetched).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
