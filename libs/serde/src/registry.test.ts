import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DecodeError } from '@fairlead/base'
import { afterEach, describe, expect, test } from 'vitest'
import { createAvroSerde, createRegistryClient } from './index.ts'

type Answer = { readonly status: number; readonly body: unknown }

const servers: { close(): void; closeAllConnections(): void }[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** A registry that answers from a list or a function, and remembers what it was asked. */
const startServer = async (answerOf: (request: string, body: unknown) => Answer | undefined) => {
  const requests: string[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const what = `${request.method} ${request.url}`
      requests.push(what)
      const answer = answerOf(what, text === '' ? undefined : JSON.parse(text))
      if (answer === undefined) request.socket.destroy()
      else response.writeHead(answer.status).end(JSON.stringify(answer.body))
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  servers.push(server)
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, requests }
}

const NO_WAIT = { backoff: { baseMs: 1, maxMs: 1 } }
const USER_1 = JSON.stringify({
  type: 'record',
  name: 'User',
  fields: [{ name: 'id', type: 'long' }],
})
const USER_2 = JSON.stringify({
  type: 'record',
  name: 'User',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'name', type: 'string', default: '?' },
  ],
})

describe('the client', () => {
  test('asks once for a schema, however many ask at once', async () => {
    const { url, requests } = await startServer(() => ({ status: 200, body: { schema: '"int"' } }))
    const registry = createRegistryClient({ url })
    const found = await Promise.all([1, 1, 1].map((id) => registry.schemaById(id)))
    expect(found[2]).toEqual({ schemaId: 1, schema: '"int"', schemaType: 'AVRO', references: [] })
    await registry.schemaById(1)
    expect(requests).toEqual(['GET /schemas/ids/1'])
  })

  test.for([408, 429, 500, 503])('tries again after %d', async (status) => {
    let left = 2
    const { url } = await startServer(() => {
      left -= 1
      return left >= 0 ? { status, body: {} } : { status: 200, body: { id: 7 } }
    })
    const registry = createRegistryClient({ url, ...NO_WAIT })
    expect(await registry.register('a/b', { schema: '"int"' })).toBe(7)
  })

  test('goes to the next registry when one does not answer', async () => {
    const broken = await startServer(() => undefined)
    const { url } = await startServer(() => ({ status: 200, body: { id: 7 } }))
    const registry = createRegistryClient({ url: [broken.url, url], ...NO_WAIT })
    expect(await registry.register('s', { schema: '"int"' })).toBe(7)
  })

  test('a registry that does not answer is a retryable failure', async () => {
    const { url, requests } = await startServer(() => undefined)
    const registry = createRegistryClient({ url, ...NO_WAIT, attemptsMax: 3 })
    await expect(registry.schemaById(1)).rejects.toMatchObject({
      name: 'RegistryError',
      retryable: true,
    })
    expect(requests).toHaveLength(3)
  })

  test('an unknown id is not, and is asked for again the next time', async () => {
    const { url, requests } = await startServer(() => ({
      status: 404,
      body: { error_code: 40403, message: 'Schema 9 not found' },
    }))
    const registry = createRegistryClient({ url })
    for (let count = 0; count < 2; count += 1) {
      await expect(registry.schemaById(9)).rejects.toMatchObject({
        retryable: false,
        errorCode: 40403,
        message: 'GET /schemas/ids/9: 404, Schema 9 not found',
      })
    }
    expect(requests).toHaveLength(2)
  })

  test('an incompatible schema is refused with the words of the registry', async () => {
    const { url } = await startServer(() => ({
      status: 409,
      body: { error_code: 40901, message: "… at path '/fields/1' …" },
    }))
    const registered = createRegistryClient({ url }).register('s', { schema: USER_2 })
    await expect(registered).rejects.toMatchObject({
      retryable: false,
      errorCode: 40901,
      message: expect.stringContaining("'/fields/1'"),
    })
  })
})

describe('the serde', () => {
  const startRegistry = () =>
    startServer((request, body) => {
      const { schema } = (body ?? {}) as { schema?: string }
      if (request.startsWith('POST'))
        return { status: 200, body: { id: schema === USER_1 ? 1 : 2 } }
      if (request === 'GET /schemas/ids/1') return { status: 200, body: { schema: USER_1 } }
      if (request === 'GET /schemas/ids/2') return { status: 200, body: { schema: USER_2 } }
      return { status: 404, body: { error_code: 40403, message: 'not found' } }
    })

  test('writes the prefix of Confluent, and reads with the schema of the reader', async () => {
    const { url, requests } = await startRegistry()
    const serde = createAvroSerde({ registry: createRegistryClient({ url }) })
    const bytes = await serde.encode('user-value', { schema: USER_1 }, { id: 2n ** 62n })
    expect([...bytes.subarray(0, 5)]).toEqual([0, 0, 0, 0, 1])
    expect(await serde.decode(bytes)).toEqual({ schemaId: 1, value: { id: 2n ** 62n } })
    expect(await serde.decode(bytes, { schema: USER_2 })).toEqual({
      schemaId: 1,
      value: { id: 2n ** 62n, name: '?' },
    })
    await serde.encode('user-value', { schema: USER_1 }, { id: 1n })
    expect(requests).toEqual(['POST /subjects/user-value/versions', 'GET /schemas/ids/1'])
  })

  test.for([
    ['too few bytes', [0, 0, 0]],
    ['another magic byte', [1, 0, 0, 0, 1, 2]],
    ['no payload', [0, 0, 0, 0, 1]],
    ['bytes left over', [0, 0, 0, 0, 1, 2, 2]],
  ] as const)('%s: a DecodeError', async ([, bytes]) => {
    const { url } = await startRegistry()
    const serde = createAvroSerde({ registry: createRegistryClient({ url }) })
    await expect(serde.decode(Uint8Array.from(bytes))).rejects.toThrow(DecodeError)
  })

  test('an id that the registry does not know is a failure that waiting does not mend', async () => {
    const { url } = await startRegistry()
    const serde = createAvroSerde({ registry: createRegistryClient({ url }) })
    await expect(serde.decode(Uint8Array.of(0, 0, 0, 0, 9, 0))).rejects.toMatchObject({
      name: 'RegistryError',
      retryable: false,
      errorCode: 40403,
    })
  })
})
