import { InvariantViolation } from '@fairlead/base'
import { getEventListeners, once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { BrokerConnection } from './broker-connection.ts'
import { type Exchange, exchangeOf } from './requests/exchange.ts'

const KEY = 3
const CALL = { timeoutMs: 60_000 }
/** ApiVersions, version 3: no error, and one request in version 0. */
const API_VERSIONS = Buffer.from([0, 0, 2, 0, KEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])

/** What is answered with a number. */
function exchange(decode: Exchange<number>['decode'] = (reader) => reader.int32()) {
  const taggedHeaders = { request: false, response: false }
  return exchangeOf({ key: KEY, version: 0 }, { taggedHeaders, encode: () => undefined, decode })
}

function frame(correlationId: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + body.length)
  head.writeInt32BE(correlationId, 4)
  return Buffer.concat([head, body])
}

function numbered(correlationId: number, value: number): Buffer {
  const body = Buffer.alloc(4)
  body.writeInt32BE(value)
  return frame(correlationId, body)
}

/** A connection whose second and later requests are answered by `answer`. */
async function connected(answer: (socket: Socket, correlationId: number) => void) {
  const server = createServer((socket) => {
    let requestCount = 0
    socket.on('error', () => undefined)
    socket.on('data', (request: Buffer) => {
      // One is in flight at a time, and each fits into a packet.
      const correlationId = request.readInt32BE(8)
      requestCount += 1
      if (requestCount === 1) socket.write(frame(correlationId, API_VERSIONS))
      else answer(socket, correlationId)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const options = { ...CALL, clientId: 'test', security: undefined }
  const connection = await BrokerConnection.open({ host: '127.0.0.1', port }, options)
  onTestFinished(() => {
    connection.destroy()
    server.close()
  })
  return connection
}

test('a response may come byte by byte', async () => {
  const connection = await connected((socket, correlationId) => {
    for (const byte of numbered(correlationId, 42)) socket.write(Buffer.from([byte]))
  })
  expect(await connection.exchange(exchange(), CALL)).toBe(42)
  expect(await connection.exchange(exchange(), CALL)).toBe(42)
  expect(connection.isOpen).toBe(true)
})

test('a second response to one request ends the connection, not the request', async () => {
  const connection = await connected((socket, correlationId) => {
    socket.write(Buffer.concat([numbered(correlationId, 42), numbered(correlationId, 43)]))
  })
  expect(await connection.exchange(exchange(), CALL)).toBe(42)
  expect(connection.isOpen).toBe(false)
})

describe('a request ends, and the connection with it', () => {
  test.for([
    {
      when: 'the response is that of another one',
      answer: (socket: Socket, id: number) => socket.write(numbered(id + 1, 42)),
      code: 'CORRUPT_RESPONSE',
    },
    {
      when: 'the response is too short',
      answer: (socket: Socket, id: number) => socket.write(frame(id, Buffer.from([1]))),
      code: 'CORRUPT_RESPONSE',
    },
    {
      when: 'the broker hangs up',
      answer: (socket: Socket) => socket.end(),
      code: 'NETWORK',
    },
    {
      when: 'the broker resets the connection',
      answer: (socket: Socket) => socket.resetAndDestroy(),
      code: 'NETWORK',
    },
  ])('when $when', async ({ answer, code }) => {
    const connection = await connected((socket, id) => void answer(socket, id))
    await expect(connection.exchange(exchange(), CALL)).rejects.toMatchObject({ code })
    expect(connection.isOpen).toBe(false)
  })

  test('when it takes too long', async () => {
    const connection = await connected(() => undefined)
    const waiting = connection.exchange(exchange(), { timeoutMs: 20 })
    await expect(waiting).rejects.toMatchObject({ code: 'TIMEOUT' })
    expect(connection.isOpen).toBe(false)
  })

  test('when our own code breaks an invariant: that is told as it is', async () => {
    const connection = await connected((socket, id) => void socket.write(numbered(id, 42)))
    const bug = new InvariantViolation('a bug')
    const broken = exchange(() => {
      throw bug
    })
    await expect(connection.exchange(broken, CALL)).rejects.toBe(bug)
    expect(connection.isOpen).toBe(false)
  })
})

test('the largest time limit of Kafka is no short one', async () => {
  const connection = await connected((socket, id) => {
    setTimeout(() => socket.write(numbered(id, 42)), 20)
  })
  const options = { timeoutMs: 2 ** 31 + 500 }
  expect(await connection.exchange(exchange(), options)).toBe(42)
})

test('a request can be aborted, and leaves nothing on the signal', async () => {
  const connection = await connected((socket, id) => {
    if (id === 2) socket.write(numbered(id, 42))
  })
  const abort = new AbortController()
  const options = { ...CALL, signal: abort.signal }
  expect(await connection.exchange(exchange(), options)).toBe(42)
  expect(getEventListeners(abort.signal, 'abort')).toEqual([])

  const waiting = connection.exchange(exchange(), options)
  abort.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
  expect(getEventListeners(abort.signal, 'abort')).toEqual([])
  await expect(connection.exchange(exchange(), CALL)).rejects.toMatchObject({ code: 'NETWORK' })
})
