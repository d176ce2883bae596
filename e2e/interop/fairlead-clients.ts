import {
  type IncomingRecord,
  type TopicPartition,
  createAdmin,
  createGroupMember,
  createProducer,
  createReader,
} from '@fairlead/kafka'
import { afterAll, beforeAll, expect, test } from 'vitest'

type Server = { readonly address: string; stop: () => Promise<void> }

let broker: Server
let options: { readonly bootstrapServers: readonly string[]; readonly clientId: string }

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** What the services of this platform expect of any broker: ours, or Apache Kafka. */
export function testFairleadClients(start: () => Promise<Server>): void {
  beforeAll(async () => {
    broker = await start()
    options = { bootstrapServers: [broker.address], clientId: 'test' }
  })
  afterAll(() => broker.stop())

  test('produces idempotently, reads back, and finds offsets', async () => {
    const admin = createAdmin(options)
    expect(await admin.ensureTopic({ topic: 'events', partitions: 3 })).toEqual({
      created: true,
      partitions: 3,
    })
    const producer = createProducer(options)
    const records = Array.from({ length: 100 }, (_, index) => ({
      topic: 'events',
      partition: 1,
      key: bytes(`key-${index}`),
      value: bytes(`value-${index}`),
      headers: [['h', bytes('1')]] as const,
    }))
    const locations = await producer.send(records)
    expect(locations.map(({ offset }) => offset)).toEqual(records.map((_, index) => index))

    const reader = createReader(options)
    const read: IncomingRecord[] = []
    for (let fromOffset = 0; fromOffset < 100; ) {
      const request = { topic: 'events', partition: 1, fromOffset, maxWaitMs: 5_000 }
      const fetched = await reader.fetch({ ...request, maxBytes: 1_000_000 })
      read.push(...fetched.records)
      fromOffset = fetched.nextOffset
    }
    expect(read.map(({ value }) => Buffer.from(value ?? []).toString())).toEqual(
      records.map((_, index) => `value-${index}`),
    )
    const latest = { topic: 'events', partition: 1, timestamp: 'latest' } as const
    expect(await admin.listOffsets(latest)).toBe(100)
    await Promise.all([producer.close(), reader.close(), admin.close()])
  })

  test('joins a group, commits, leaves, and is assigned what it committed', async () => {
    const admin = createAdmin(options)
    await admin.ensureTopic({ topic: 'grouped', partitions: 2 })
    const first = await joined()
    expect(first.assigned.map(({ committedOffset }) => committedOffset)).toEqual([
      undefined,
      undefined,
    ])
    await first.member.commit([{ topic: 'grouped', partition: 0, offset: 7 }])
    await first.member.close()

    const second = await joined()
    const offsets = new Map(
      second.assigned.map(({ partition, committedOffset }) => [partition, committedOffset]),
    )
    expect(offsets).toEqual(
      new Map([
        [0, 7],
        [1, undefined],
      ]),
    )
    await second.member.close()
    await admin.close()
  })
}

async function joined() {
  type Assigned = TopicPartition & { readonly committedOffset: number | undefined }
  const { promise, resolve, reject } = Promise.withResolvers<readonly Assigned[]>()
  const member = createGroupMember({
    ...options,
    groupId: 'services',
    topics: ['grouped'],
    onAssigned: (partitions) => resolve(partitions),
    onRevoked: () => {},
    onError: (error) => {
      if (!error.retryable) reject(error)
    },
  })
  return { member, assigned: await promise }
}
