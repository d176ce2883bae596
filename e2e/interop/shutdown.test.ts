import { createAdmin, createGroupMember, createProducer, createReader } from '@fairlead/kafka'
import { afterEach, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'

const WAIT_MS = 20_000
const STOP_MS_MAX = 3_000
const KILLS = 3

let broker: BrokerProcess
afterEach(() => broker.stop())

const options = () => ({ bootstrapServers: [broker.address], clientId: 'test' })

test('SIGTERM completes long polls and joins at once, and ends with exit code 0', async () => {
  broker = await BrokerProcess.start({ 'group.initial.rebalance.delay.ms': 60_000 })
  const admin = createAdmin(options())
  await admin.ensureTopic({ topic: 'empty', partitions: 1 })
  const reader = createReader(options())
  const range = { topic: 'empty', partition: 0, fromOffset: 0, maxWaitMs: 60_000 }
  const polled = reader.fetch({ ...range, maxBytes: 1_000 }).catch(() => undefined)
  const member = createGroupMember({
    ...options(),
    groupId: 'joining',
    topics: ['empty'],
    onAssigned: () => {},
    onRevoked: () => {},
    onError: () => {},
  })
  await waitFor('a parked fetch and a parked join', WAIT_MS, async () => {
    const fetches = await broker.metric('kafka_server_delayedoperationpurgatory_purgatorysize')
    return fetches === 1 && (await broker.metric('fairlead_group_requests_parked')) === 1
  })

  const startedMs = performance.now()
  expect(await broker.terminate()).toBe(0)
  expect(performance.now() - startedMs).toBeLessThan(STOP_MS_MAX)
  await Promise.all([reader.close(), admin.close(), member.close()])
  await polled
})

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
