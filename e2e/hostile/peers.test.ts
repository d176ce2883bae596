import { readFileSync } from 'node:fs'
import { type Socket, connect } from 'node:net'
import { createAdmin, createProducer } from '@fairlead/kafka'
import { encodeRequest } from '@fairlead/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'
import type { NeighboursReport } from './neighbours.ts'
import { bombs } from './random-records.ts'
import { startNeighbours } from './start-neighbours.ts'

/** Set HOSTILE_CONNECTIONS to try another number; the limit of open files may lower it. */
const CONNECTIONS = Math.min(Number(process.env['HOSTILE_CONNECTIONS'] ?? 10_000), filesFree())
const MIB = 1024 * 1024
const LIMIT_BYTES = 600 * MIB
const PEAK_BYTES_MAX = LIMIT_BYTES * 1.1
const IDLE_CONNECTION_BYTES_MAX = 24 * 1024
const WAIT_MS = 120_000
const TOPIC = 'attacked'
const CONNECTION_COUNT = 'kafka_server_socket_server_metrics_connection_count'

let broker: BrokerProcess
const sockets: Socket[] = []

beforeEach(async () => {
  broker = await BrokerProcess.start({
    'memory.limit.bytes': LIMIT_BYTES,
    'queued.max.request.bytes': 64 * MIB,
    'socket.request.max.bytes': 32 * MIB,
    'log.cleaner.dedupe.buffer.size': 4 * MIB,
    'max.connections': 12_000,
  })
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await broker.stop()
})

test(`${CONNECTIONS} peers that connect at once are served, and cost little while idle`, async () => {
  const neighbours = await startNeighbours(broker.port)
  const before = (await broker.memory()).residentBytes
  const startMs = performance.now()
  const peers = await Promise.all(Array.from({ length: CONNECTIONS }, () => connected()))
  const connectMs = performance.now() - startMs
  expect(await broker.metric(CONNECTION_COUNT)).toBeGreaterThanOrEqual(CONNECTIONS)
  const closed = Object.entries(await closedByReason()).filter(([, count]) => count > 0)
  expect(closed).toEqual([])

  const { residentBytes, peakBytes } = await broker.memory()
  const bytesEach = (residentBytes - before) / CONNECTIONS
  await Promise.all(peers.map((socket) => answered(socket, apiVersionsRequest())))
  for (const socket of sockets.splice(0)) socket.destroy()
  await waitFor('the peers to be forgotten', WAIT_MS, async () => {
    return (await broker.metric(CONNECTION_COUNT)) < 20
  })
  const seen = await neighbours.stop()
  report({ connections: CONNECTIONS, connectMs, bytesEach, peakMib: peakBytes / MIB, ...seen })
  expect(bytesEach).toBeLessThan(IDLE_CONNECTION_BYTES_MAX)
  expect(peakBytes).toBeLessThan(PEAK_BYTES_MAX)
  expectServed(seen)
})

test('peers that neither send nor read are closed, and 100 MB each wait nowhere', async () => {
  await fill(TOPIC, 24 * MIB)
  const neighbours = await startNeighbours(broker.port)
  const readers = Array.from({ length: 50 }, () => open())
  for (const socket of readers) {
    socket.pause()
    for (let request = 0; request < 40; request += 1) socket.write(fetchRequest(24 * MIB))
  }
  const senders = Array.from({ length: 100 }, () => open())
  const frame = apiVersionsRequest()
  for (const [index, socket] of senders.entries()) {
    socket.write(frame.subarray(0, 1 + (index % (frame.length - 1))))
  }
  let closed: Readonly<Record<string, number>> = {}
  // Readers that came when the memory of fetches was used up have empty answers: nothing waits for them.
  await waitFor('slow peers to be closed, and nothing to be unread', WAIT_MS, async () => {
    closed = await closedByReason()
    const unsentBytes = await broker.metric('fairlead_response_unsent_bytes')
    const slowReaders = closed['slow_reader'] ?? 0
    return closed['slow_sender'] === senders.length && slowReaders > 0 && unsentBytes === 0
  }).catch((error: Error) => {
    throw new Error(`${error.message}, and only ${JSON.stringify(closed)} are`)
  })
  const seen = await neighbours.stop()
  const { peakBytes } = await broker.memory()
  report({ peakMib: peakBytes / MIB, ...seen })
  expect(peakBytes).toBeLessThan(PEAK_BYTES_MAX)
  await waitFor('the memory of fetches to be free', WAIT_MS, async () => {
    return (await broker.metric('fairlead_fetch_memory_used_bytes')) === 0
  })
  expectServed(seen)
})

test('1 GB of large requests at once are taken as memory allows', async () => {
  await fill(TOPIC, 1)
  const neighbours = await startNeighbours(broker.port)
  const body = produceRequest(new Uint8Array(25 * MIB))
  const peers = Array.from({ length: 40 }, () => open())
  await Promise.all(peers.map((socket) => answered(socket, body)))
  const seen = await neighbours.stop()
  const { peakBytes } = await broker.memory()
  report({ peakMib: peakBytes / MIB, ...seen })
  expect(peakBytes).toBeLessThan(PEAK_BYTES_MAX)
  await waitFor('the memory of requests to be free', WAIT_MS, async () => {
    return (await broker.metric('fairlead_request_memory_used_bytes')) === 0
  })
  expectServed(seen)
})

test('decompression bombs are refused, whatever the codec', async () => {
  await fill(TOPIC, 1)
  await fill('compacted', 1, { 'cleanup.policy': 'compact' })
  const neighbours = await startNeighbours(broker.port)
  const requests = [TOPIC, 'compacted'].flatMap((topic) =>
    bombs.map((bomb) => produceRequest(bomb, topic)),
  )
  const peers = Array.from({ length: 40 }, () => open())
  for (let round = 0; round < 2; round += 1) {
    await Promise.all(
      peers.map((socket, index) => answered(socket, requests[index % requests.length] as Buffer)),
    )
  }
  const seen = await neighbours.stop()
  const { peakBytes } = await broker.memory()
  report({ peakMib: peakBytes / MIB, ...seen })
  expect(peakBytes).toBeLessThan(PEAK_BYTES_MAX)
  expectServed(seen)
})

function expectServed(seen: NeighboursReport): void {
  expect(seen.wrong).toEqual([])
  expect(seen.sentCount).toBeGreaterThan(0)
}

function report(figures: object): void {
  process.stdout.write(`${JSON.stringify({ limitMib: LIMIT_BYTES / MIB, ...figures })}\n`)
}

/** Records of 512 KiB, until the topic has about so many bytes. */
async function fill(
  topic: string,
  sizeBytes: number,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const options = { bootstrapServers: [broker.address], clientId: 'filler' }
  const admin = createAdmin(options)
  await admin.ensureTopic({ topic, partitions: 1, configs })
  await admin.close()
  const producer = createProducer(options)
  const value = new Uint8Array(512 * 1024)
  for (let filled = 0; filled < sizeBytes; filled += value.length) {
    const key = Buffer.from('key')
    await producer.send([{ topic, partition: 0, key, value, headers: [] }])
  }
  await producer.close()
}

async function closedByReason(): Promise<Readonly<Record<string, number>>> {
  const lines = await broker.metricLines('fairlead_connections_closed_total')
  return Object.fromEntries(
    lines.map((line) => [/reason="(\w+)"/.exec(line)?.[1], Number(line.split(' ').at(-1))]),
  )
}

function open(): Socket {
  const socket = connect({ host: '127.0.0.1', port: broker.port, noDelay: true })
  socket.on('error', () => {})
  sockets.push(socket)
  return socket
}

/**
 * A peer that has its first answer. Of more peers than its queue holds, the kernel resets some that the broker has
 * not accepted for seconds: they come again, as clients do.
 */
async function connected(): Promise<Socket> {
  for (;;) {
    const socket = open()
    try {
      await answered(socket, apiVersionsRequest())
      return socket
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
    }
  }
}

/** Sends a request and waits for a whole answer. */
function answered(socket: Socket, request: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let head: Buffer = Buffer.alloc(0)
    let receivedBytes = 0
    const done = (error?: Error): void => {
      socket.off('data', receive)
      socket.off('close', closed)
      if (error === undefined) resolve()
      else reject(error)
    }
    const receive = (chunk: Buffer): void => {
      if (head.length < 4) head = Buffer.concat([head, chunk])
      receivedBytes += chunk.length
      if (head.length >= 4 && receivedBytes >= 4 + head.readInt32BE(0)) done()
    }
    const closed = (): void => done(socket.errored ?? new Error('the broker closed the connection'))
    socket.on('data', receive)
    socket.once('close', closed)
    socket.write(request)
  })
}

function apiVersionsRequest(): Buffer {
  const body = { clientSoftwareName: 'peer', clientSoftwareVersion: '1' }
  const request = { name: 'ApiVersions', version: 3, correlationId: 7, clientId: 'peer' } as const
  return Buffer.concat(encodeRequest({ ...request, body }))
}

function fetchRequest(maxBytes: number): Buffer {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: maxBytes }]
  const topics = [{ topic: TOPIC, partitions }]
  const body = { maxWaitMs: 0, minBytes: 1, maxBytes, topics, forgottenTopicsData: [] }
  const request = { name: 'Fetch', version: 4, correlationId: 7, clientId: 'peer' } as const
  return Buffer.concat(encodeRequest({ ...request, body }))
}

function produceRequest(records: Uint8Array, name = TOPIC): Buffer {
  const topicData = [{ name, partitionData: [{ index: 0, records }] }]
  const body = { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData }
  const request = { name: 'Produce', version: 7, correlationId: 7, clientId: 'peer' } as const
  return Buffer.concat(encodeRequest({ ...request, body }))
}

/** Sockets that this process may still open. */
function filesFree(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 10_000) - 1_000
}
