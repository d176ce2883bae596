import { type Socket, connect } from 'node:net'
import { BufferPool, type Timers } from '@fairlead/base'
import { systemClock, systemTimers } from '@fairlead/runtime'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BUFFER_POOL, IN_FLIGHT_PER_CONNECTION_MAX } from '../limits.ts'
import type { Reply, RequestHandler } from './connection.ts'
import { type AddressQuota, type ConnectionLimits, ConnectionSlots } from './connection-slots.ts'
import { Listener, type ListenerOptions } from './listener.ts'
import { Load } from './load.ts'
import { RequestMemory } from './request-memory.ts'

const FRAME_BYTES_MAX = 8 * 1024 * 1024

const MEMORY_BYTES = 12 * 1024 * 1024
const QUEUED_REQUESTS_MAX = 20

let listener: Listener
let memory: RequestMemory
let load: Load
let handle: RequestHandler
let warnings: string[]
const sockets: Socket[] = []

beforeEach(async () => {
  memory = new RequestMemory({ bulkBytes: MEMORY_BYTES, reserveBytes: 200_000 })
  load = new Load({ queuedRequestsMax: QUEUED_REQUESTS_MAX, unsentBytesMax: 1_000_000 })
  warnings = []
  handle = async (frame) => ({ chunks: [framed(frame)] })
  listener = await listening({})
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await listener.drain(100)
  const left = memory.usedBytes + load.queuedRequests + load.unsentBytes
  if (left > 0) throw new Error('connections that ended still hold something')
})

async function listening(changes: Partial<ListenerOptions>): Promise<Listener> {
  const opened = new Listener({
    name: 'PLAINTEXT',
    host: '127.0.0.1',
    port: 0,
    slots: slots({}),
    idleMsMax: 60_000,
    slowReaderMs: 60_000,
    frameBytesMax: FRAME_BYTES_MAX,
    memory,
    buffers: new BufferPool(BUFFER_POOL),
    load,
    clock: systemClock,
    timers: systemTimers,
    logger: { warn: (fields) => warnings.push(JSON.stringify(fields)) },
    handle: (frame, peer, turn) => handle(frame, peer, turn),
    ...changes,
  })
  await opened.listen()
  return opened
}

async function relisten(changes: Partial<ListenerOptions>): Promise<void> {
  await listener.drain(0)
  listener = await listening(changes)
}

function slots(
  changes: Partial<ConnectionLimits>,
  quota: AddressQuota = { connect: () => 0 },
): ConnectionSlots {
  const perIpMaxOverrides = new Map<string, number>()
  const limits = { totalMax: 10, perIpMax: 5, perIpMaxOverrides, creationRateMax: 1_000_000 }
  return new ConnectionSlots({ ...limits, ...changes }, quota)
}

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

  test('a request is the oldest once all before it are answered, or the peer is gone', async () => {
    const finish: (() => void)[] = []
    const oldest: number[] = []
    handle = (frame, _peer, turn) => {
      const id = frame.at(-1) ?? 0
      void turn.whenOldest().then(() => oldest.push(id))
      return new Promise((resolve) => finish.push(() => resolve({ chunks: [framed(frame)] })))
    }
    const client = open()
    client.socket.write(Buffer.concat([request(1), request(2), request(3), request(4)]))
    await until(() => finish.length === 4)
    finish[1]?.()
    await until(() => oldest.length > 0)
    expect(oldest).toEqual([1])
    finish[0]?.()
    await until(() => client.received().length === 2 * 12)
    await until(() => oldest.length > 1)
    expect(oldest).toEqual([1, 3])
    client.socket.resetAndDestroy()
    await until(() => oldest.length === 3)
    for (const done of finish) done()
  })

  test('a peer has so many requests under way, however many arrived at once', async () => {
    let started = 0
    const finish: (() => void)[] = []
    handle = (frame) => {
      started += 1
      return new Promise((resolve) => finish.push(() => resolve({ chunks: [framed(frame)] })))
    }
    load = new Load({ queuedRequestsMax: 1_000, unsentBytesMax: 1_000_000 })
    await relisten({ load })
    const client = open()
    const total = IN_FLIGHT_PER_CONNECTION_MAX * 3
    const ids = Array.from({ length: total }, (_, index) => index)
    client.socket.write(Buffer.concat(ids.map((id) => request(id))))
    await until(() => started > 0)
    expect(started).toBe(IN_FLIGHT_PER_CONNECTION_MAX)
    await until(() => {
      for (const done of finish.splice(0)) done()
      return client.received().length === total * 12
    })
    expect(correlationIds(client.received())).toEqual(ids)
  })

  test('at a high load each peer has one request under way, and all are served', async () => {
    let startedTotal = 0
    const finish: (() => void)[] = []
    handle = (frame) => {
      startedTotal += 1
      return new Promise((resolve) => finish.push(() => resolve({ chunks: [framed(frame)] })))
    }
    const first = open()
    first.socket.write(Buffer.concat(Array.from({ length: 60 }, (_, id) => request(id))))
    await until(() => load.isHigh)
    expect(load.queuedRequests).toBe(QUEUED_REQUESTS_MAX)
    const startedBefore = startedTotal
    const second = open()
    second.socket.write(Buffer.concat([request(1), request(2)]))
    await until(() => startedTotal > startedBefore)
    expect(startedTotal).toBe(startedBefore + 1)
    await until(() => {
      for (const done of finish.splice(0)) done()
      return first.received().length === 60 * 12 && second.received().length === 2 * 12
    })
  })

  test('a throttled peer has its reply first, and is not read from until it may send', async () => {
    const startedAtMs: number[] = []
    handle = async (frame) => {
      startedAtMs.push(performance.now())
      return { chunks: [framed(frame)], ...(startedAtMs.length === 1 && { throttleMs: 150 }) }
    }
    const client = open()
    client.socket.write(request(1))
    await until(() => client.received().length === 12)
    client.socket.write(request(2))
    await until(() => client.received().length === 24)
    expect((startedAtMs[1] ?? 0) - (startedAtMs[0] ?? 0)).toBeGreaterThanOrEqual(149)
  })

  test('a shorter wait of a later reply does not end the one that is on', async () => {
    const startedAtMs: number[] = []
    handle = async (frame) => {
      startedAtMs.push(performance.now())
      return { chunks: [framed(frame)], throttleMs: startedAtMs.length === 1 ? 150 : 1 }
    }
    const client = open()
    client.socket.write(Buffer.concat([request(1), request(2)]))
    await until(() => client.received().length === 24)
    client.socket.write(request(3))
    await until(() => client.received().length === 36)
    expect((startedAtMs[2] ?? 0) - (startedAtMs[0] ?? 0)).toBeGreaterThanOrEqual(149)
  })

  test('a peer that reads nothing is closed, and what it held is free', async () => {
    await relisten({ slowReaderMs: 100 })
    let released = 0
    handle = async () => ({ chunks: [new Uint8Array(8_000_000)], release: () => (released += 1) })
    const client = open()
    client.socket.pause()
    client.socket.write(Buffer.concat([request(1), request(2)]))
    await until(() => load.unsentBytes > 0)
    await until(() => listener.closedTotals.get('slow_reader') === 1)
    await until(() => released === 2)
    expect(warnings.join('\n')).toMatch(/no response was read for 100 ms; \d+ bytes wait/)
  })

  test('connections above the rate are let in later', async () => {
    await relisten({ slots: slots({ creationRateMax: 2 }) })
    const clients = Array.from({ length: 3 }, () => open())
    for (const client of clients) client.socket.write(request(1))
    await until(() => clients.filter((client) => client.received().length === 12).length === 2)
    expect([listener.throttledTotal, listener.connectionCount]).toEqual([1, 2])
    await until(() => clients.every((client) => client.received().length === 12))
  })

  test('a connection that leaves before it was let in gives its place back', async () => {
    const places = slots({ creationRateMax: 1, totalMax: 2 })
    await relisten({ slots: places })
    const clients = [open(), open()]
    await until(() => listener.throttledTotal === 1)
    for (const client of clients) client.socket.destroy()
    await until(() => places.take('another', 0).ok)
  })

  test('a connection above the quota of its address is closed after the wait, and served nothing', async () => {
    const places = slots({ totalMax: 1 }, { connect: () => 30 })
    await relisten({ slots: places })
    const client = open()
    client.socket.write(framed(new Uint8Array(8)))
    await until(() => client.isClosed())
    expect([listener.aboveQuotaTotal, listener.connectionCount]).toEqual([1, 0])
    expect(client.received().length).toBe(0)
    await until(() => places.take('another', 0).ok)
  })

  test('a connection that is reset before it was let in gives the place of its address back', async () => {
    const places = slots({ creationRateMax: 1, perIpMax: 2 })
    const held: (() => void)[] = []
    const timers = { after: (_delayMs: number, run: () => void) => (held.push(run), () => {}) }
    await relisten({ slots: places, timers })
    const clients = [open(), open()]
    await until(() => listener.throttledTotal === 1)
    for (const client of clients) client.socket.resetAndDestroy()
    await until(() => clients.every((client) => client.isClosed()))
    for (const run of held.splice(0)) run()
    await until(() => listener.connectionCount === 0)
    expect([1, 2].map(() => places.take('127.0.0.1', 0).ok)).toEqual([true, true])
  })

  test('large requests wait for memory while small ones are served', async () => {
    const finish: (() => void)[] = []
    handle = (frame) =>
      frame.length > 100_000
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
    const commit = Buffer.alloc(50_000)
    commit.writeInt16BE(8)
    const member = open()
    member.socket.write(framed(commit))
    await until(() => member.received().length === 50_004)
    expect(finish.length).toBe(1)

    finish[0]?.()
    await until(() => finish.length === 2)
    finish[1]?.()
    await until(() => memory.usedBytes === 0)
  })

  test('frames that need more memory than there is in all do not wait for each other', async () => {
    const body = new Uint8Array(6 * 1024 * 1024)
    const clients = Array.from({ length: 5 }, () => open())
    for (const { socket } of clients) socket.write(framed(body))
    await until(() => clients.every(({ received }) => received().length === body.length + 4))
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
    {
      what: 'HTTP',
      bytes: [...Buffer.from('GET / HTTP/1.1\r\n')],
      reason: 'HTTP',
      answer: /^HTTP\/1.1 400 Bad Request\r\n[^]+This port speaks the Kafka protocol, not HTTP/,
    },
    {
      what: 'TLS',
      bytes: [0x16, 3, 1, 2, 0, 1, 0, 1],
      reason: 'TLS',
      // oxlint-disable-next-line no-control-regex
      answer: /^\x15\x03\x01\x00\x02\x02\x28$/,
    },
    { what: 'SSH', bytes: [...Buffer.from('SSH-2.0-Open')], reason: 'SSH' },
  ])('$what ends the connection, the peer and the log learn why', async (row) => {
    const client = open()
    client.socket.write(Uint8Array.from(row.bytes))
    await until(() => client.isClosed())
    await until(() => warnings.join('\n').includes(row.reason))
    expect(client.received().toString('latin1')).toMatch(row.answer ?? /^$/)
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

  test('a connection that waits to be let in is closed when its place is gone by then', async () => {
    const limits = { totalMax: 10, perIpMax: 10, perIpMaxOverrides: new Map<string, number>() }
    const shared = slots({ ...limits, creationRateMax: 1 })
    const due: (() => void)[] = []
    const timers: Timers = {
      after: (_delayMs, callback) => {
        due.push(callback)
        return () => undefined
      },
    }
    const clock = { nowMs: () => 0, wallNowMs: () => 0 }
    await relisten({ slots: shared, timers, clock })
    const first = open()
    await until(() => listener.connectionCount === 1)
    const waiting = open()
    await until(() => listener.throttledTotal === 1)
    shared.configure({ ...limits, totalMax: 1, creationRateMax: 1 })
    for (const callback of due.splice(0)) callback()
    await until(() => waiting.isClosed())
    expect(listener.closedTotals.get('excess')).toBe(1)
    expect(shared.excessCount).toBe(0)
    expect(first.isClosed()).toBe(false)
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
  await expect.poll(isTrue, { timeout: 60_000, interval: 2 }).toBe(true)
}
