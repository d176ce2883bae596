import { type Socket, connect } from 'node:net'
import { createAdmin, createProducer, createReader } from '@fairlead/kafka'
import { encodeRequest } from '@fairlead/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'

const WAIT_MS = 60_000
const TOPIC = 'attacked'
const CONNECTIONS = 'kafka_server_socket_server_metrics_connection_count'

let broker: BrokerProcess
let options: { readonly bootstrapServers: readonly string[]; readonly clientId: string }

beforeAll(async () => {
  broker = await BrokerProcess.start()
  options = { bootstrapServers: [broker.address], clientId: 'well-formed' }
  const admin = createAdmin(options)
  await admin.ensureTopic({ topic: TOPIC, partitions: 1 })
  await admin.close()
})
afterAll(() => broker.stop())

// First, since log lines about bad peers are limited: a flood of them would hide these.
test.for([
  {
    what: 'a length of 2 GiB',
    bytes: [0x7f, 0xff, 0xff, 0xff],
    reason: 'a frame of 2147483647 bytes; allowed are 8 to 104857600',
  },
  { what: 'a negative length', bytes: [0xff, 0xff, 0xff, 0xff], reason: 'a frame of -1 bytes' },
  { what: 'HTTP', bytes: [...Buffer.from('GET / HTTP/1.1\r\n\r\n')], reason: 'speaks HTTP' },
  { what: 'TLS', bytes: [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], reason: 'speaks TLS' },
  {
    what: 'an unknown API key',
    bytes: [0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0, 0],
    reason: 'unknown API key 32512',
  },
  {
    what: 'a request that is cut',
    bytes: [0, 0, 0, 10, 0, 3, 0, 12, 0, 0, 0, 1, 0, 0],
    reason: '',
  },
])('$what ends the connection, and the log says why', async ({ bytes, reason }) => {
  const linesBefore = broker.logLines.length
  const socket = open()
  socket.write(Uint8Array.from(bytes))
  await ended(socket)
  await waitFor(`a log line with a reason: ${reason}`, WAIT_MS, () =>
    reasonsSince(linesBefore).some((text) => text !== '' && text.includes(reason)),
  )
})

test('a peer that leaves inside a frame is named', async () => {
  const linesBefore = broker.logLines.length
  const socket = open()
  socket.end(Uint8Array.from([0, 0, 1, 0, 0, 3]))
  await ended(socket)
  await waitFor('a log line with the reason', WAIT_MS, () =>
    reasonsSince(linesBefore).includes('the peer left inside a frame'),
  )
})

test('a length that lies takes no memory', async () => {
  const { residentBytes } = await broker.memory()
  const sockets = Array.from({ length: 100 }, () => open())
  const size = Buffer.alloc(4)
  size.writeInt32BE(100 * 1024 * 1024)
  for (const socket of sockets) socket.write(size)
  await waitFor('all connections', WAIT_MS, async () => (await broker.metric(CONNECTIONS)) >= 100)
  await serve()
  expect((await broker.memory()).residentBytes - residentBytes).toBeLessThan(100 * 1024 * 1024)
  for (const socket of sockets) socket.destroy()
})

test('peers that send byte by byte are served, and hold up nobody', async () => {
  const frame = Buffer.concat(
    encodeRequest({
      name: 'ApiVersions',
      version: 3,
      correlationId: 7,
      clientId: 'slow',
      body: { clientSoftwareName: 'slow', clientSoftwareVersion: '1' },
    }),
  )
  const sockets = Array.from({ length: 50 }, () => open())
  const answers = sockets.map((socket) => answered(socket))
  for (const byte of frame) {
    for (const socket of sockets) socket.write(Uint8Array.of(byte))
    await serve()
  }
  for (const answer of await Promise.all(answers)) expect(answer.readInt32BE(4)).toBe(7)
  for (const socket of sockets) socket.destroy()
})

test('500 connections that are opened and dropped leave nothing behind', async () => {
  const sockets = Array.from({ length: 500 }, () => open())
  await Promise.all(sockets.map((socket) => connected(socket)))
  for (const [index, socket] of sockets.entries()) {
    if (index % 2 === 0) socket.destroy()
    else socket.resetAndDestroy()
  }
  await serve()
  await waitFor('no connection', WAIT_MS, async () => (await broker.metric(CONNECTIONS)) === 0)
})

/** What a well-formed client does: a record in, the same record out, on connections of its own. */
async function serve(): Promise<void> {
  const producer = createProducer(options)
  const reader = createReader(options)
  const value = new TextEncoder().encode('value')
  const record = { topic: TOPIC, partition: 0, key: value, value, headers: [] }
  const [location] = await producer.send([record])
  const fromOffset = location?.offset ?? -1
  const range = { topic: TOPIC, partition: 0, fromOffset, maxWaitMs: 1_000, maxBytes: 10_000 }
  const { records } = await reader.fetch(range)
  expect(records[0]?.value).toEqual(Buffer.from(value))
  await Promise.all([producer.close(), reader.close()])
}

function open(): Socket {
  const socket = connect({ host: '127.0.0.1', port: broker.port, noDelay: true })
  socket.on('error', () => {})
  return socket
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('connect', resolve)
  })
}

function ended(socket: Socket): Promise<void> {
  socket.resume()
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
  })
}

/** The first chunk that comes, size included. */
function answered(socket: Socket): Promise<Buffer> {
  return new Promise((resolve) => {
    socket.once('data', resolve)
  })
}

/** Of the log lines behind so many. */
function reasonsSince(lineCount: number): readonly string[] {
  return broker.logLines
    .slice(lineCount)
    .map((line) => (JSON.parse(line) as { readonly reason?: string }).reason ?? '')
}
