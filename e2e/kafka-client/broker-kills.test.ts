import {
  type AssignedPartition,
  type GroupMember,
  type IdempotentProducer,
  createAdmin,
  createGroupMember,
  createProducer,
  createReader,
} from '@fairlead/kafka'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { BrokerProcess } from '../support/broker-process.ts'

const PARTITIONS = [0, 1, 2] as const
const KILL_COUNT = 4
const RECORDS_BETWEEN_KILLS = 3_000
const RECORDS_PER_SEND = 30
const SENDS_IN_FLIGHT_MAX = 10
const PROGRESS_TIMEOUT_MS = 120_000

let broker: BrokerProcess
let options: { bootstrapServers: string[]; clientId: string }

beforeEach(async () => {
  broker = await BrokerProcess.start()
  options = { bootstrapServers: [broker.address], clientId: 'e2e' }
})

afterEach(() => broker.stop())

async function createTopic(topic: string): Promise<void> {
  const admin = createAdmin(options)
  await admin.ensureTopic({ topic, partitions: PARTITIONS.length })
  await admin.close()
}

/** Numbers each partition's records from 0 and keeps some sends in flight until stopped. */
class Traffic {
  ackedCount = 0
  readonly sentCounts: number[] = PARTITIONS.map(() => 0)
  readonly #topic: string
  readonly #producer: IdempotentProducer
  readonly #ended: Promise<unknown>
  #isStopped = false

  constructor(topic: string, producer: IdempotentProducer) {
    this.#topic = topic
    this.#producer = producer
    const lanes = Array.from({ length: SENDS_IN_FLIGHT_MAX }, () => this.#sendUntilStopped())
    this.#ended = Promise.all(lanes)
    this.#ended.catch(() => undefined)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#ended
  }

  async #sendUntilStopped(): Promise<void> {
    while (!this.#isStopped) {
      const records = Array.from({ length: RECORDS_PER_SEND }, (_, index) => {
        const partition = index % PARTITIONS.length
        const number = this.sentCounts[partition] ?? 0
        this.sentCounts[partition] = number + 1
        const value = Buffer.from(String(number))
        return { topic: this.#topic, partition, key: null, value, headers: [] }
      })
      this.ackedCount += (await this.#producer.send(records)).length
    }
  }
}

async function readAll(topic: string, partition: number): Promise<number[]> {
  const reader = createReader(options)
  const admin = createAdmin(options)
  const end = await admin.listOffsets({ topic, partition, timestamp: 'latest' })
  const numbers: number[] = []
  let fromOffset = 0
  while (fromOffset < end) {
    const request = { topic, partition, fromOffset, maxWaitMs: 500, maxBytes: 100_000 }
    const fetched = await reader.fetch(request)
    numbers.push(...fetched.records.map(({ value }) => Number(String(value))))
    fromOffset = fetched.nextOffset
  }
  await reader.close()
  await admin.close()
  return numbers
}

test('every acknowledged record is there once and in order, whenever the broker is killed', async () => {
  await createTopic('killed')
  const producer = createProducer(options)
  const traffic = new Traffic('killed', producer)
  for (let kill = 0; kill < KILL_COUNT; kill += 1) {
    const goal = traffic.ackedCount + RECORDS_BETWEEN_KILLS + Math.floor(Math.random() * 1_000)
    await waitFor('acknowledged records', PROGRESS_TIMEOUT_MS, () => traffic.ackedCount >= goal)
    await broker.kill()
    broker.restart()
  }
  const goal = traffic.ackedCount + RECORDS_BETWEEN_KILLS
  await waitFor('acknowledged records', PROGRESS_TIMEOUT_MS, () => traffic.ackedCount >= goal)
  await traffic.stop()
  await producer.close()
  for (const partition of PARTITIONS) {
    const expected = Array.from({ length: traffic.sentCounts[partition] ?? 0 }, (_, n) => n)
    expect(await readAll('killed', partition)).toEqual(expected)
  }
})

/** Reads what it is assigned, commits after each fetch, and remembers what it has seen. */
class Worker {
  readonly seen: ReadonlyMap<number, number[]> = new Map(PARTITIONS.map((p) => [p, []]))
  readonly assigned: AssignedPartition[][] = []
  readonly errors: string[] = []
  readonly #topic: string
  readonly #member: GroupMember
  #loops: Promise<unknown> = Promise.resolve()

  constructor(topic: string) {
    this.#topic = topic
    this.#member = createGroupMember({
      ...options,
      groupId: `${topic}-readers`,
      topics: [topic],
      heartbeatIntervalMs: 200,
      onAssigned: (partitions) => {
        this.assigned.push([...partitions])
        this.#loops = Promise.all(partitions.map((partition) => this.#work(partition)))
      },
      onRevoked: async () => {
        await this.#loops
      },
      onError: ({ code }) => this.errors.push(code),
    })
  }

  get seenCount(): number {
    return [...this.seen.values()].reduce((sum, numbers) => sum + numbers.length, 0)
  }

  close(): Promise<void> {
    return this.#member.close()
  }

  async #work({ partition, committedOffset }: AssignedPartition): Promise<void> {
    const place = { topic: this.#topic, partition }
    let fromOffset = committedOffset ?? 0
    try {
      for (;;) {
        const limits = { maxWaitMs: 200, maxBytes: 2_000 }
        const fetched = await this.#member.fetch({ ...place, ...limits, fromOffset })
        const numbers = fetched.records.map(({ value }) => Number(String(value)))
        await this.#member.commit([{ ...place, offset: fetched.nextOffset }])
        this.seen.get(partition)?.push(...numbers)
        fromOffset = fetched.nextOffset
      }
    } catch (error) {
      this.errors.push(String(error))
    }
  }
}

test('a group goes on at its committed offsets after a kill and under a new member', async () => {
  const topic = 'grouped'
  await createTopic(topic)
  const producer = createProducer(options)
  const first = new Worker(topic)
  const traffic = new Traffic(topic, producer)
  await waitFor('a first member at work', PROGRESS_TIMEOUT_MS, () => first.seenCount > 500)
  await broker.kill()
  broker.restart()
  const afterKill = first.seenCount
  await waitFor('work after the kill', PROGRESS_TIMEOUT_MS, () => first.seenCount > afterKill + 500)
  await traffic.stop()
  await first.close()
  const second = new Worker(topic)
  await waitFor('a second member', PROGRESS_TIMEOUT_MS, () => second.assigned.length > 0)
  for (const { partition, committedOffset } of second.assigned[0] ?? []) {
    const numbers = first.seen.get(partition) ?? []
    expect(committedOffset).toBe(numbers.length)
    expect(numbers).toEqual(numbers.map((_, n) => n))
  }
  const total = traffic.sentCounts.reduce((sum, count) => sum + count, 0)
  await waitFor(
    'all records',
    PROGRESS_TIMEOUT_MS,
    () => first.seenCount + second.seenCount === total,
  )
  await second.close()
  await producer.close()
})

test('members that come and go divide the partitions and repeat no record', async () => {
  const topic = 'shared'
  await createTopic(topic)
  const producer = createProducer(options)
  const traffic = new Traffic(topic, producer)
  const first = new Worker(topic)
  await waitFor('a first member at work', PROGRESS_TIMEOUT_MS, () => first.seenCount > 200)
  const second = new Worker(topic)
  await waitFor('a second member at work', PROGRESS_TIMEOUT_MS, () => second.seenCount > 200)
  await waitFor('each partition to have one owner', PROGRESS_TIMEOUT_MS, () => {
    const owned = [...(first.assigned.at(-1) ?? []), ...(second.assigned.at(-1) ?? [])]
    return (
      owned
        .map(({ partition }) => partition)
        .toSorted((a, b) => a - b)
        .join() === '0,1,2'
    )
  })
  await first.close()
  await traffic.stop()
  const total = traffic.sentCounts.reduce((sum, count) => sum + count, 0)
  const seen = () => first.seenCount + second.seenCount
  await waitFor('all records', PROGRESS_TIMEOUT_MS, () => seen() === total)
  for (const partition of PARTITIONS) {
    const numbers = [...(first.seen.get(partition) ?? []), ...(second.seen.get(partition) ?? [])]
    expect(new Set(numbers).size).toBe(traffic.sentCounts[partition])
  }
  await second.close()
  await producer.close()
})
