import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DecodeError } from '@fairlead/base'
import { afterEach, describe, expect, test } from 'vitest'
import { createAvroSerde, createRegistryClient, createSubjectNames } from './index.ts'

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
  const authorizations: (string | undefined)[] = []
  const server = createServer((request, response) => {
    authorizations.push(request.headers.authorization)
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
  return { url: `http://127.0.0.1:${port}`, requests, authorizations }
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
  test('of an answer that is null an error of the registry comes', async () => {
    const { url } = await startServer(() => ({ status: 200, body: null }))
    const registry = createRegistryClient({ url })
    const malformed = { name: 'RegistryError', retryable: false }
    await expect(registry.schemaById(1)).rejects.toMatchObject(malformed)
    await expect(registry.testCompatibility('s', { schema: '"int"' })).rejects.toMatchObject(
      malformed,
    )
  })

  test.for([
    ['as its URL says', 'ana:p%40ss@', {}, 'Basic YW5hOnBAc3M='],
    ['as it is told, whatever its URL says', 'ana:p%40ss@', { userInfo: 'bo:x' }, 'Basic Ym86eA=='],
    ['with a token', '', { token: 'sesame' }, 'Bearer sesame'],
    ['as nobody', '', {}, undefined],
  ] as const)('asks %s', async ([, user, options, authorization]) => {
    const { url, authorizations } = await startServer(() => ({ status: 200, body: { id: 1 } }))
    const registry = createRegistryClient({ url: url.replace('//', `//${user}`), ...options })
    await registry.register('s', { schema: '"int"' })
    expect(authorizations).toEqual([authorization])
  })

  test('says no password of a registry that does not answer', async () => {
    const { url } = await startServer(() => undefined)
    const options = { url: url.replace('//', '//ana:secret@'), attemptsMax: 1 }
    const failing = createRegistryClient(options).schemaById(1)
    await expect(failing).rejects.toMatchObject({
      message: expect.stringMatching(`^the registry at ${url} does not answer`),
    })
  })

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
  test('reads what was written with schemas that are soft-deleted', async () => {
    const line = JSON.stringify({ type: 'record', name: 'Line', fields: [] })
    const order = JSON.stringify({
      type: 'record',
      name: 'Order',
      fields: [{ name: 'line', type: 'Line' }],
    })
    const references = [{ name: 'Line', subject: 'line', version: 1 }]
    const answers: Readonly<Record<string, object>> = {
      'GET /schemas/ids/2': { schema: order, references },
      'GET /subjects/line/versions/1?deleted=true': {
        schema: line,
        subject: 'line',
        version: 1,
        id: 1,
      },
    }
    const { url } = await startServer((request) => {
      const body = answers[request]
      return body === undefined ? { status: 404, body: {} } : { status: 200, body }
    })
    const serde = createAvroSerde({ registry: createRegistryClient({ url }) })
    const { value } = await serde.decode(Uint8Array.of(0, 0, 0, 0, 2))
    expect(value).toEqual({ line: {} })
  })

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

describe('a schema that a header names', () => {
  const GUID = '601d6c1e-ce5f-7962-4b61-dd160ffbeef3'
  const GUID_BYTES = [...Buffer.from(GUID.replaceAll('-', ''), 'hex')]
  const startRegistry = (guid: string | undefined = GUID) =>
    startServer((request) => {
      const stored = { schema: USER_1, ...(guid === 'none' ? {} : { guid }) }
      if (request.startsWith('POST')) return { status: 200, body: { id: 1 } }
      if (request === 'GET /schemas/ids/1') return { status: 200, body: stored }
      if (request === `GET /schemas/guids/${GUID}`) return { status: 200, body: stored }
      return { status: 404, body: { error_code: 40403, message: 'not found' } }
    })
  const serdeOf = (url: string) => createAvroSerde({ registry: createRegistryClient({ url }) })

  test('is its GUID behind byte 1, and nothing is before the value', async () => {
    const { url } = await startRegistry()
    for (const [part, name] of [
      ['key', '__key_schema_id'],
      ['value', '__value_schema_id'],
    ] as const) {
      const encoder = await serdeOf(url).headerEncoder('s', { schema: USER_1 }, part)
      const [header, guid] = encoder.header
      expect([header, [...guid]]).toEqual([name, [1, ...GUID_BYTES]])
      expect([...encoder.encode({ id: 1n })]).toEqual([2])
    }
  })

  test('is found by its GUID, once, also for a reader with a schema of its own', async () => {
    const { url, requests } = await startRegistry()
    const serde = serdeOf(url)
    const headers = [['__value_schema_id', Uint8Array.of(1, ...GUID_BYTES)]] as const
    const bytes = Uint8Array.of(2)
    expect(await serde.decode(bytes, undefined, { headers })).toEqual({
      schemaId: undefined,
      value: { id: 1n },
    })
    expect((await serde.decode(bytes, { schema: USER_2 }, { headers })).value).toEqual({
      id: 1n,
      name: '?',
    })
    expect(requests).toEqual([`GET /schemas/guids/${GUID}`])
  })

  test('may also be named by its id, and a prefix by its GUID', async () => {
    const { url } = await startRegistry()
    const byId = [['__value_schema_id', Uint8Array.of(0, 0, 0, 0, 1)]] as const
    const value = { id: 1n }
    expect(await serdeOf(url).decode(Uint8Array.of(2), undefined, { headers: byId })).toEqual({
      schemaId: 1,
      value,
    })
    const prefixed = Uint8Array.of(1, ...GUID_BYTES, 2)
    expect((await serdeOf(url).decode(prefixed)).value).toEqual(value)
  })

  test('a header of the key says nothing of the value, which has its prefix', async () => {
    const { url } = await startRegistry()
    const headers = [['__key_schema_id', Uint8Array.of(1, ...GUID_BYTES)]] as const
    const prefixed = Uint8Array.of(0, 0, 0, 0, 1, 2)
    const serde = serdeOf(url)
    expect((await serde.decode(prefixed, undefined, { headers })).schemaId).toBe(1)
    const ofKey = serde.decode(Uint8Array.of(2), undefined, { headers, part: 'key' })
    expect((await ofKey).value).toEqual({ id: 1n })
  })

  test('is that of the last header, as Kafka has it', async () => {
    const { url } = await startRegistry()
    const name = '__value_schema_id'
    const headers = [Uint8Array.of(9), Uint8Array.of(1, ...GUID_BYTES)].map(
      (value) => [name, value] as const,
    )
    const { value } = await serdeOf(url).decode(Uint8Array.of(2), undefined, { headers })
    expect(value).toEqual({ id: 1n })
  })

  test.for([
    ['too short', [1, 2, 3]],
    ['of another form', [2, ...GUID_BYTES]],
    ['empty', []],
  ] as const)('a header that is %s: a DecodeError', async ([, header]) => {
    const { url } = await startRegistry()
    const headers = [['__value_schema_id', Uint8Array.from(header)]] as const
    const decoded = serdeOf(url).decode(Uint8Array.of(2), undefined, { headers })
    await expect(decoded).rejects.toThrow(DecodeError)
  })

  test('needs a registry that has GUIDs', async () => {
    const { url } = await startRegistry('none')
    const encoder = serdeOf(url).headerEncoder('s', { schema: USER_1 })
    await expect(encoder).rejects.toMatchObject({
      retryable: false,
      message: expect.stringContaining('Confluent 8'),
    })
  })
})

describe('the version of a subject', () => {
  const NOT_FOUND = { status: 404, body: { error_code: 40403, message: 'Schema not found' } }
  const versionIn = async (live: readonly number[], deleted: readonly number[]) => {
    const { url } = await startServer((request) => {
      if (request.startsWith('GET')) return { status: 200, body: { schema: USER_1 } }
      const [version] = request === 'POST /subjects/s?deleted=true' ? deleted : live
      if (version === undefined) return NOT_FOUND
      return { status: 200, body: { subject: 's', id: 1, schema: USER_1, version } }
    })
    const registry = createRegistryClient({ url, ...NO_WAIT })
    return createAvroSerde({ registry }).subjectVersion(1, 's')
  }

  test('is the one that has the schema now, or else had it before it was soft-deleted', async () => {
    expect(await versionIn([3], [1])).toBe(3)
    expect(await versionIn([], [1])).toBe(1)
    await expect(versionIn([], [])).rejects.toMatchObject({ errorCode: 40403 })
  })
})

test('a schema is the one named whatever the order of its properties, and no other', async () => {
  const { url } = await startServer(() => ({ status: 200, body: { schema: USER_1 } }))
  const serde = createAvroSerde({ registry: createRegistryClient({ url, ...NO_WAIT }) })
  const reordered = JSON.stringify({
    fields: [{ type: { type: 'long' }, name: 'id' }],
    name: 'User',
    type: 'record',
  })
  expect(await serde.isSchema(1, { schema: reordered })).toBe(true)
  expect(await serde.isSchema(1, { schema: USER_2 })).toBe(false)
})

describe('the subject of a topic', () => {
  const startRegistry = (answer: Answer) => startServer(() => answer)
  const namesOf = (
    url: string,
    options: Omit<Parameters<typeof createSubjectNames>[0], 'registry'> = {},
  ) => createSubjectNames({ registry: createRegistryClient({ url, ...NO_WAIT }), ...options })

  test('is the one that is associated with it, asked for once', async () => {
    const { url, requests } = await startRegistry({ status: 200, body: [{ subject: 'orders' }] })
    const name = namesOf(url, { clusterId: 'lkc-1' })
    expect(await name('a/b', 'key', 'R')).toBe('orders')
    expect(await name('a/b', 'key', 'R')).toBe('orders')
    expect(requests).toEqual([
      'GET /associations/resources/lkc-1/a%2Fb?resourceType=topic&associationType=key',
    ])
  })

  test.for([
    ['topicName', 't-value'],
    ['recordName', 'R'],
    ['topicRecordName', 't-R'],
  ] as const)('is, without one, that of the fallback %s', async ([fallback, expected]) => {
    const missing = { status: 404, body: { error_code: 404, message: 'HTTP 404 Not Found' } }
    for (const answer of [{ status: 200, body: [] }, missing]) {
      const { url } = await startRegistry(answer)
      expect(await namesOf(url, { fallback })('t', 'value', 'R')).toBe(expected)
    }
  })

  test('is an error without one where there is no fallback, and with several', async () => {
    const none = await startRegistry({ status: 200, body: [] })
    await expect(namesOf(none.url, { fallback: 'none' })('t', 'value', 'R')).rejects.toThrow(
      /no subject/,
    )
    const two = await startRegistry({ status: 200, body: [{ subject: 'a' }, { subject: 'b' }] })
    await expect(namesOf(two.url)('t', 'value', 'R')).rejects.toThrow(/2 subjects/)
  })

  test('is not guessed while the registry does not answer', async () => {
    const { url } = await startRegistry({ status: 503, body: {} })
    await expect(namesOf(url)('t', 'value', 'R')).rejects.toMatchObject({ retryable: true })
  })

  test('follows from topic and record alone with the other strategies', async () => {
    const { url, requests } = await startRegistry({ status: 500, body: {} })
    expect(await namesOf(url, { strategy: 'topicRecordName' })('t', 'value', 'R')).toBe('t-R')
    expect(requests).toEqual([])
  })
})
