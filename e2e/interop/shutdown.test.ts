import { createAdmin, createProducer, createReader } from '@fairlead/kafka'
import { afterEach, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'
import { WireClient } from '../support/wire-client.ts'

const WAIT_MS = 60_000
/** Far longer than a broker that stops leaves its connections open. */
const PARKED_MS = 600_000
const KILLS = 3

let broker: BrokerProcess
afterEach(() => broker.stop())

const options = () => ({ bootstrapServers: [broker.address], clientId: 'test' })

test('SIGTERM completes long polls and joins at once, and ends with exit code 0', async () => {
  broker = await BrokerProcess.start({ 'group.initial.rebalance.delay.ms': PARKED_MS })
  const admin = createAdmin(options())
  await admin.ensureTopic({ topic: 'empty', partitions: 1 })
  await using reader = await WireClient.connect(broker.address)
  await using member = await WireClient.connect(broker.address)
  await coordinates(member, 'joining')
  // Each throws when its connection ends without an answer.
  const polled = reader.request('Fetch', 4, {
    maxWaitMs: PARKED_MS,
    minBytes: 1,
    maxBytes: 1_000,
    topics: [
      {
        topic: 'empty',
        partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }],
      },
    ],
    forgottenTopicsData: [],
  })
  const joined = member.request('JoinGroup', 3, {
    groupId: 'joining',
    memberId: '',
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: PARKED_MS,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: new Uint8Array() }],
  })
  await waitFor('a parked fetch and a parked join', WAIT_MS, async () => {
    const fetches = await broker.metric('kafka_server_delayedoperationpurgatory_purgatorysize')
    return fetches === 1 && (await broker.metric('fairlead_group_requests_parked')) === 1
  })

  const startedMs = performance.now()
  expect(await broker.terminate()).toBe(0)
  process.stdout.write(`the broker stopped in ${(performance.now() - startedMs).toFixed()} ms\n`)
  expect((await polled).responses).toMatchObject([{ partitions: [{ errorCode: 'NONE' }] }])
  expect((await joined).errorCode).toBe('NOT_COORDINATOR')
  await admin.close()
})

/** Resolves once the broker knows the groups of the partition that the group belongs to. */
async function coordinates(client: WireClient, groupId: string): Promise<void> {
  await waitFor('a coordinator', WAIT_MS, async () => {
    await client.request('FindCoordinator', 4, { keyType: 0, coordinatorKeys: [groupId] })
    const heartbeat = { groupId, generationId: 0, memberId: 'nobody' }
    const { errorCode } = await client.request('Heartbeat', 3, heartbeat)
    return errorCode === 'UNKNOWN_MEMBER_ID'
  })
}

test('a broker that is killed keeps every record that it acknowledged', async () => {
  broker = await BrokerProcess.start()
  const acknowledged: string[] = []
  const admin = createAdmin(options())
  await admin.ensureTopic({ topic: 'kept', partitions: 1 })
  const producer = createProducer(options())
  const ending = new AbortController()
  const sending = (async () => {
    for (let index = 0; !ending.signal.aborted; index += 1) {
      const record = { topic: 'kept', partition: 0, key: null, headers: [] }
      await producer.send([{ ...record, value: new TextEncoder().encode(`${index}`) }])
      acknowledged.push(`${index}`)
    }
  })()
  for (let kill = 0; kill < KILLS; kill += 1) {
    const count = acknowledged.length
    await waitFor('records', WAIT_MS, () => acknowledged.length > count + 20)
    await broker.kill()
    broker.restart()
    await broker.ready()
  }
  ending.abort()
  await sending

  const reader = createReader(options())
  const values: string[] = []
  for (let fromOffset = 0; values.length < acknowledged.length; ) {
    const range = { topic: 'kept', partition: 0, fromOffset, maxWaitMs: 1_000, maxBytes: 1_000_000 }
    const { records, nextOffset } = await reader.fetch(range)
    values.push(...records.map(({ value }) => Buffer.from(value ?? []).toString()))
    fromOffset = nextOffset
  }
  expect(values).toEqual(acknowledged)
  await Promise.all([producer.close(), reader.close(), admin.close()])
})
