import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { type Socket, connect } from 'node:net'
import { crc32c, encodeBatch } from '@fairlead/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'
import { WireClient } from '../support/wire-client.ts'
import type { NeighboursReport } from './neighbours.ts'
import { startNeighbours } from './start-neighbours.ts'

/** Of the broker: 300 connections, and 100 files of segments. */
const OPEN_FILES_MAX = 600
const CONNECTIONS_MAX = 300
/** Whatever numbers are free among those that the broker has taken: no new one is below this. */
const NO_FILE_LEFT = 3
const PEERS = 500
const TOPIC = 'attacked'
const WAIT_MS = 30_000
/** Of half of what they send: a machine that stands still for seconds delays a few. */
const NEIGHBOUR_P50_MS_MAX = 2_000
const TOPIC_RESOURCE = 2

let broker: BrokerProcess
let client: WireClient
const sockets: Socket[] = []

beforeEach(async () => {
  const config = { 'offsets.topic.num.partitions': 4, 'log.retention.check.interval.ms': 200 }
  broker = await BrokerProcess.start(config, { openFilesMax: OPEN_FILES_MAX })
  client = await WireClient.connect(broker.address)
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await client[Symbol.asyncDispose]()
  await broker.stop()
})

test('peers and segments beyond the files that there are get refused, and nobody else', async () => {
  const neighbours = await startNeighbours(broker.port)
  await createTopic(TOPIC, 1)
  for (let count = 0; count < PEERS; count += 1) open()
  await waitFor('peers to be refused', WAIT_MS, async () => {
    const closed = await broker.metricLines('fairlead_connections_closed_total')
    const refused = closed.find((line) => line.includes('"refused"'))
    return Number(refused?.split(' ').at(-1)) >= PEERS - CONNECTIONS_MAX
  })
  await waitFor('a log to be refused its next segment', WAIT_MS, async () => {
    const { errorCode, errorMessage } = await produce()
    expect(openFileCount()).toBeLessThan(OPEN_FILES_MAX)
    return errorCode === 'KAFKA_STORAGE_ERROR' && /files open; raise/.test(errorMessage ?? '')
  })
  expect(await createTopic('wide', 100)).toBe('POLICY_VIOLATION')

  for (const socket of sockets.splice(0)) socket.destroy()
  await waitFor('a new peer to be served', WAIT_MS, isServed)
  await retainLess()
  await waitFor('retention to make room', WAIT_MS, async () => {
    return (await produce()).errorCode === 'NONE'
  })
  expectServed(await neighbours.stop())
})

test('a process without a file left refuses what needs one, and goes on when there are', async () => {
  const neighbours = await startNeighbours(broker.port)
  await createTopic(TOPIC, 1)
  expect(await produce()).toMatchObject({ errorCode: 'NONE' })
  limitOpenFiles(NO_FILE_LEFT)
  for (let count = 0; count < 50; count += 1) open()
  await waitFor('a log to find no file', WAIT_MS, async () => {
    const { errorCode, errorMessage } = await produce()
    return errorCode === 'KAFKA_STORAGE_ERROR' && /EMFILE/.test(errorMessage ?? '')
  })
  limitOpenFiles(OPEN_FILES_MAX)
  for (const socket of sockets.splice(0)) socket.destroy()
  await waitFor('the log to go on', WAIT_MS, async () => (await produce()).errorCode === 'NONE')
  await waitFor('a new peer to be served', WAIT_MS, isServed)
  expectServed(await neighbours.stop())
})

test('partitions that are created without a file left are served once there are', async () => {
  // The log of the metadata opens its index with its first batch.
  await createTopic('before', 1)
  limitOpenFiles(NO_FILE_LEFT)
  const coordinator = { keyType: 0, coordinatorKeys: ['group'] }
  await client.request('FindCoordinator', 4, coordinator)
  expect(await createTopic(TOPIC, 1)).toBe('KAFKA_STORAGE_ERROR')
  expect(await produce()).toMatchObject({ errorCode: 'KAFKA_STORAGE_ERROR' })
  expect(await commit()).not.toBe('NONE')
  limitOpenFiles(OPEN_FILES_MAX)
  await waitFor('the log to be created', WAIT_MS, async () => {
    return (await produce()).errorCode === 'NONE'
  })
  await waitFor('the group to have a coordinator', WAIT_MS, async () => (await commit()) === 'NONE')
})

function expectServed(seen: NeighboursReport): void {
  expect(seen.wrong).toEqual([])
  expect(seen.sentCount).toBeGreaterThan(0)
  expect(seen.produceP50Ms).toBeLessThan(NEIGHBOUR_P50_MS_MAX)
  expect(broker.logLines.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([])
}

/** Each append begins a segment. */
async function createTopic(name: string, numPartitions: number): Promise<string | undefined> {
  const configs = [{ name: 'segment.ms', value: '1' }]
  const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs }
  const body = { topics: [topic], timeoutMs: 10_000, validateOnly: false }
  const { topics } = await client.request('CreateTopics', 5, body)
  return topics[0]?.errorCode
}

async function retainLess(): Promise<void> {
  const configs = [{ name: 'retention.bytes', configOperation: 0, value: '1' }]
  const resources = [{ resourceType: TOPIC_RESOURCE, resourceName: TOPIC, configs }]
  const body = { resources, validateOnly: false }
  const { responses } = await client.request('IncrementalAlterConfigs', 1, body)
  expect(responses[0]?.errorCode).toBe('NONE')
}

async function produce(): Promise<{ errorCode: string; errorMessage: string | null }> {
  const record = { key: null, value: Buffer.from('value'), timestampMs: Date.now() }
  const records = encodeBatch({ records: [record] }, crc32c)
  const topicData = [{ name: TOPIC, partitionData: [{ index: 0, records }] }]
  const body = { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData }
  const { responses } = await client.request('Produce', 9, body)
  const answer = responses[0]?.partitionResponses[0]
  if (answer === undefined) throw new Error('the broker has not answered for the partition')
  return { errorCode: answer.errorCode, errorMessage: answer.errorMessage ?? null }
}

async function commit(): Promise<string | undefined> {
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }]
  const member = { groupId: 'group', generationIdOrMemberEpoch: -1, memberId: '' }
  const topics = [{ name: TOPIC, partitions }]
  const body = { ...member, groupInstanceId: null, topics }
  const answer = await client.request('OffsetCommit', 7, body)
  return answer.topics[0]?.partitions[0]?.errorCode
}

async function isServed(): Promise<boolean> {
  try {
    await using peer = await WireClient.connect(broker.address)
    const body = { clientSoftwareName: 'peer', clientSoftwareVersion: '1' }
    return (await peer.exchange('ApiVersions', 3, body)) !== undefined
  } catch {
    return false
  }
}

function open(): void {
  const socket = connect({ host: '127.0.0.1', port: broker.port })
  socket.on('error', () => {})
  sockets.push(socket)
}

function openFileCount(): number {
  return readdirSync(`/proc/${broker.pid}/fd`).length
}

/** Of the broker while it runs, below what it has open, as if somebody else had taken the files. */
function limitOpenFiles(count: number): void {
  execFileSync('prlimit', ['--pid', String(broker.pid), `--nofile=${count}:${OPEN_FILES_MAX}`])
}
