import { type Socket, connect } from 'node:net'
import { BufferPool } from '@fairlead/base'
import { systemClock, systemTimers } from '@fairlead/runtime'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BUFFER_POOL, FRAME_FIRST_STEP_BYTES, IN_FLIGHT_PER_CONNECTION_MAX } from '../limits.ts'
import type { Reply, RequestHandler } from './connection.ts'
import { ConnectionSlots } from './connection-slots.ts'
import { Listener } from './listener.ts'
import { MemoryPool } from './memory-pool.ts'

const FRAME_BYTES_MAX = 8 * 1024 * 1024

let listener: Listener
let memory: MemoryPool
let handle: RequestHandler
let warnings: string[]
const sockets: Socket[] = []

beforeEach(async () => {
  memory = new MemoryPool(FRAME_BYTES_MAX)
  warnings = []
  handle = async (frame) => ({ chunks: [framed(frame)] })
  listener = new Listener({
    name: 'PLAINTEXT',
    host: '127.0.0.1',
    port: 0,
    slots: new ConnectionSlots({ totalMax: 10, perIpMax: 5 }),
    idleMsMax: 60_000,
    frameBytesMax: FRAME_BYTES_MAX,
    memory,
    buffers: new BufferPool(BUFFER_POOL),
    clock: systemClock,
    timers: systemTimers,
    logger: { warn: (fields) => warnings.push(JSON.stringify(fields)) },
    handle: (frame, peer) => handle(frame, peer),
  })
  await listener.listen()
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await listener.drain(100)
})

describe('listener', () => {
  test('responses leave in the order of the requests, whatever finishes first', async () => {
    const replies: ((reply: Reply) => void)[] = []
    handle = (frame) =>
      new Promise((resolve) => replies.push(() => resolve({ chunks: [framed(frame)] })))
    const client = open()
    client.socket.write(Buffer.concat([request(1), request(2), request(3)]))
    await until(() => replies.length === 3)
    for (const reply of replies.reverse()) reply({ chunks: [] })
    await until(() => client.received().length === 3 * 12)
    expect(correlationIds(client.received())).toEqual([1, 2, 3])
  })

  test('a peer is not read from while it has too many requests under way', async () => {
    let started = 0
    const finish: (() => void)[] = []
    handle = (frame) => {
      started += 1
      return new Promise((resolve) => finish.push(() => resolve({ chunks: [framed(frame)] })))
    }
    const client = open()
    const body = new Uint8Array(FRAME_FIRST_STEP_BYTES)
    const total = IN_FLIGHT_PER_CONNECTION_MAX * 3
    for (let index = 0; index < total; index += 1) client.socket.write(framed(body))
    await until(() => started >= IN_FLIGHT_PER_CONNECTION_MAX)
    expect(started).toBeLessThan(total)
    await until(() => {
      for (const done of finish.splice(0)) done()
      return started === total
    })
  })

  test('large requests wait for memory while small ones are served', async () => {
    const finish: (() => void)[] = []
    handle = (frame) =>
      frame.length > 1_000
        ? new Promise((resolve) => finish.push(() => resolve({ chunks: [] })))
        : Promise.resolve({ chunks: [framed(frame)] })
    const large = framed(new Uint8Array(5 * 1024 * 1024))
    open().socket.write(large)
    await until(() => finish.length === 1)
    open().socket.write(large)
    await until(() => memory.waiterCount === 1)

    const small = open()
    small.socket.write(request(7))
    await until(() => small.received().length === 12)
    expect(finish.length).toBe(1)

    finish[0]?.()
    await until(() => finish.length === 2)
    finish[1]?.()
    await until(() => memory.usedBytes === 0)
  })

  test('a connection that ends gives its memory back', async () => {
    const client = open()
    client.socket.write(framed(new Uint8Array(FRAME_BYTES_MAX)).subarray(0, 1_000_000))
    await until(() => memory.usedBytes > 0)
    client.socket.destroy()
    await until(() => memory.usedBytes === 0 && listener.connectionCount === 0)
  })

  test.for([
    { what: 'a huge size', bytes: [0x7f, 0xff, 0xff, 0xff], reason: '2147483647 bytes' },
    { what: 'HTTP', bytes: [...Buffer.from('GET / HTTP/1.1\r\n')], reason: 'HTTP' },
    { what: 'TLS', bytes: [0x16, 3, 1, 2, 0, 1, 0, 1], reason: 'TLS' },
  ])('$what ends the connection with a line that says so', async ({ bytes, reason }) => {
    const client = open()
    client.socket.write(Uint8Array.from(bytes))
    await until(() => client.isClosed())
    expect(warnings.join('\n')).toContain(reason)
  })

  test('a handler that fails ends its connection only', async () => {
    const other = open()
    handle = async (frame) => {
      if (frame.length === 9) throw new Error('broken')
      return { chunks: [framed(frame)] }
    }
    const client = open()
    client.socket.write(framed(new Uint8Array(9)))
    await until(() => client.isClosed())
    other.socket.write(request(1))
    await until(() => other.received().length === 12)
    expect(warnings.join('\n')).toContain('a handler failed')
  })

  test('connections above the limit per address are refused', async () => {
    const clients = Array.from({ length: 6 }, () => open())
    await until(() => clients.some((client) => client.isClosed()))
    expect(listener.connectionCount).toBe(5)
    expect(warnings.join('\n')).toContain('max.connections.per.ip (5)')
  })

  test('draining answers what is under way, and takes nothing more', async () => {
    let finish: (() => void) | undefined
    handle = (frame) =>
      new Promise((resolve) => {
        finish = () => resolve({ chunks: [framed(frame)] })
      })
    const client = open()
    client.socket.write(request(5))
    await until(() => finish !== undefined)
    const drained = listener.drain(10_000)
    finish?.()
    await drained
    await until(() => client.isClosed())
    expect(correlationIds(client.received())).toEqual([5])
  })
})

function open() {
  const socket = connect({ host: '127.0.0.1', port: listener.port })
  const chunks: Buffer[] = []
  let isClosed = false
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
  })
  sockets.push(socket)
  return { socket, received: () => Buffer.concat(chunks), isClosed: () => isClosed }
}

function framed(body: Uint8Array): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length)
  return Buffer.concat([size, body])
}

function request(correlationId: number): Buffer {
  const body = Buffer.alloc(8)
  body.writeInt32BE(correlationId, 4)
  return framed(body)
}

function correlationIds(stream: Buffer): number[] {
  const ids: number[] = []
  for (let at = 0; at < stream.length; at += 12) ids.push(stream.readInt32BE(at + 8))
  return ids
}

async function until(isTrue: () => boolean): Promise<void> {
  await expect.poll(isTrue, { timeout: 5_000, interval: 2 }).toBe(true)
}
