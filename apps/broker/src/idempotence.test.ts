import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c, encodeBatch } from '@fairlead/protocol'
import { afterAll, describe, expect, test } from 'vitest'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from './testing/test-broker.ts'
import { TestClient } from './testing/test-client.ts'

const TOPIC = 'numbered'
const SEQUENCE_MAX = 2_147_483_647

const directories: string[] = []
afterAll(() => directories.forEach(removeDirectory))

type Sent = {
  readonly producerId: number
  readonly producerEpoch?: number
  readonly baseSequence: number
  readonly count?: number
}

/** A broker with one topic, its client, and what an idempotent producer does. */
class Cluster {
  broker: TestBroker
  client: TestClient

  constructor(broker: TestBroker) {
    this.broker = broker
    this.client = new TestClient(broker.port)
  }

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<Cluster> {
    const directory = temporaryDirectory()
    directories.push(directory)
    const cluster = new Cluster(await startTestBroker(directory, settings))
    await cluster.client.call('CreateTopics', {
      topics: [
        { name: TOPIC, numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] },
      ],
      timeoutMs: 10_000,
    })
    return cluster
  }

  async restart(whileDown: (directory: string) => void = () => {}): Promise<void> {
    await this.stop()
    whileDown(this.broker.directory)
    this.broker = await startTestBroker(this.broker.directory)
    this.client = new TestClient(this.broker.port)
  }

  async stop(): Promise<void> {
    this.client.close()
    await this.broker.stop()
  }

  async newProducerId(): Promise<number> {
    const answer = await this.client.call('InitProducerId', {
      transactionalId: null,
      transactionTimeoutMs: 60_000,
    })
    if (answer.errorCode !== 'NONE') throw new Error(answer.errorCode)
    return answer.producerId
  }

  /** The base offset, or the error. */
  async send({ producerId, producerEpoch = 0, baseSequence, count = 1 }: Sent): Promise<unknown> {
    const value = new TextEncoder().encode('v')
    const record = { key: null, value, headers: [], timestampMs: 1_000 }
    const records = encodeBatch(
      {
        records: Array.from({ length: count }, () => record),
        producerId,
        producerEpoch,
        baseSequence,
      },
      crc32c,
    )
    const { responses } = await this.client.call(
      'Produce',
      {
        transactionalId: null,
        acks: -1,
        timeoutMs: 10_000,
        topicData: [{ name: TOPIC, partitionData: [{ index: 0, records }] }],
      },
      11,
    )
    const answer = responses[0]?.partitionResponses[0]
    return answer?.errorCode === 'NONE' ? answer.baseOffset : answer?.errorCode
  }

  async producers(partition = 0, topic = TOPIC) {
    const { topics } = await this.client.call('DescribeProducers', {
      topics: [{ name: topic, partitionIndexes: [partition] }],
    })
    return topics[0]?.partitions[0]
  }
}

function removeSnapshots(directory: string): void {
  const partition = join(directory, `${TOPIC}-0`)
  for (const file of readdirSync(partition)) {
    if (file.endsWith('.snap') || file.endsWith('.snapshot')) rmSync(join(partition, file))
  }
}

describe('an idempotent producer', () => {
  test.for([
    ['as it is', () => {}],
    ['with its snapshots lost', removeSnapshots],
  ] as const)('is remembered by a broker that restarts %s', async ([, whileDown]) => {
    const cluster = await Cluster.start()
    const producerId = await cluster.newProducerId()
    const sequences = [0, 1, 2, 3, 4, 5]
    for (const baseSequence of sequences) {
      expect(await cluster.send({ producerId, baseSequence })).toBe(baseSequence)
    }
    await cluster.restart(whileDown)
    const retried: unknown[] = []
    for (const baseSequence of [5, 1, 0, 7]) {
      retried.push(await cluster.send({ producerId, baseSequence }))
    }
    // The last five have their first offsets; older ones and gaps are out of order.
    const outOfOrder = 'OUT_OF_ORDER_SEQUENCE_NUMBER'
    expect(retried).toEqual([5, 1, outOfOrder, outOfOrder])
    expect(await cluster.send({ producerId, baseSequence: 6 })).toBe(6)
    await cluster.stop()
  })

  test('counts from 0 again after 2^31 - 1, inside a batch and between two', async () => {
    const cluster = await Cluster.start()
    const producerId = await cluster.newProducerId()
    const batches = [
      { baseSequence: SEQUENCE_MAX - 1, count: 1 },
      { baseSequence: SEQUENCE_MAX, count: 3 },
      { baseSequence: 2, count: 1 },
    ]
    const offsets: unknown[] = []
    for (const batch of batches) offsets.push(await cluster.send({ producerId, ...batch }))
    expect(offsets).toEqual([0, 1, 4])
    expect(await cluster.send({ producerId, baseSequence: SEQUENCE_MAX, count: 3 })).toBe(1)
    await cluster.stop()
  })

  test('with a higher epoch begins at 0, and fences the lower one (KIP-360)', async () => {
    const cluster = await Cluster.start()
    const producerId = await cluster.newProducerId()
    const answers: unknown[] = []
    for (const sent of [
      { baseSequence: 0, producerEpoch: 3 },
      { baseSequence: 1, producerEpoch: 2 },
      { baseSequence: 1, producerEpoch: 4 },
      { baseSequence: 0, producerEpoch: 4 },
      { baseSequence: 1, producerEpoch: 3 },
    ]) {
      answers.push(await cluster.send({ producerId, ...sent }))
    }
    expect(answers).toEqual([
      0,
      'INVALID_PRODUCER_EPOCH',
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
      1,
      'INVALID_PRODUCER_EPOCH',
    ])
    await cluster.stop()
  })

  test('that the broker does not know may go on where it was', async () => {
    const cluster = await Cluster.start()
    expect(await cluster.send({ producerId: 4_711, baseSequence: 12 })).toBe(0)
    expect(await cluster.send({ producerId: 4_711, baseSequence: 13 })).toBe(1)
    await cluster.stop()
  })

  test('gets an id that nobody had, also after a restart and beyond one block', async () => {
    const cluster = await Cluster.start()
    const ids: number[] = []
    for (let index = 0; index < 1_100; index += 1) ids.push(await cluster.newProducerId())
    await cluster.restart()
    for (let index = 0; index < 10; index += 1) ids.push(await cluster.newProducerId())
    expect(new Set(ids).size).toBe(ids.length)
    await cluster.stop()
  })

  test('is described with its epoch and last sequence', async () => {
    const cluster = await Cluster.start()
    await cluster.send({ producerId: 7, producerEpoch: 2, baseSequence: 0, count: 3 })
    const described = await cluster.producers()
    expect(described).toMatchObject({ errorCode: 'NONE', errorMessage: null })
    expect(described?.activeProducers).toMatchObject([
      {
        producerId: 7,
        producerEpoch: 2,
        lastSequence: 2,
        coordinatorEpoch: -1,
        currentTxnStartOffset: -1,
      },
    ])
    expect(await cluster.producers(1)).toMatchObject({ errorCode: 'NONE', activeProducers: [] })
    expect(await cluster.producers(9)).toMatchObject({ errorCode: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await cluster.stop()
  })
})

describe('transactions, which do not exist', () => {
  test('InitProducerId and Produce say so', async () => {
    const cluster = await Cluster.start()
    const named = { transactionalId: 't', transactionTimeoutMs: 60_000 }
    expect((await cluster.client.call('InitProducerId', named)).errorCode).toBe(
      'UNSUPPORTED_VERSION',
    )
    await cluster.stop()
  })

  test.for([
    { rule: 'no name', transactionalId: '', producerId: -1, producerEpoch: -1 },
    { rule: 'an id without an epoch', transactionalId: null, producerId: 5, producerEpoch: -1 },
    { rule: 'an epoch without an id', transactionalId: null, producerId: -1, producerEpoch: 5 },
  ])('InitProducerId with $rule is INVALID_REQUEST', async ({ rule, ...fields }) => {
    const cluster = await Cluster.start()
    const request = { ...fields, transactionTimeoutMs: 60_000 }
    const { errorCode } = await cluster.client.call('InitProducerId', request)
    expect(errorCode, rule).toBe('INVALID_REQUEST')
    await cluster.stop()
  })

  test('an idempotent producer that names the id it had gets a new one', async () => {
    const cluster = await Cluster.start()
    const first = await cluster.newProducerId()
    const answer = await cluster.client.call('InitProducerId', {
      transactionalId: null,
      transactionTimeoutMs: 60_000,
      producerId: first,
      producerEpoch: 0,
    })
    expect(answer).toMatchObject({ errorCode: 'NONE', producerEpoch: 0 })
    expect(answer.producerId).not.toBe(first)
    await cluster.stop()
  })

  test('lists of them are empty, and nobody is described', async () => {
    const cluster = await Cluster.start()
    const listed = await cluster.client.call('ListTransactions', {
      stateFilters: ['Ongoing', 'Odd'],
      producerIdFilters: [],
    })
    expect(listed).toMatchObject({
      errorCode: 'NONE',
      unknownStateFilters: ['Odd'],
      transactionStates: [],
    })
    const described = await cluster.client.call('DescribeTransactions', {
      transactionalIds: ['absent'],
    })
    expect(described.transactionStates).toMatchObject([
      { transactionalId: 'absent', errorCode: 'TRANSACTIONAL_ID_NOT_FOUND' },
    ])
    await cluster.stop()
  })
})
