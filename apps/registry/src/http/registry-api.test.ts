import { get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { REVISION } from '@fairlead/service'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { MemorySchemaLog } from '../store/memory-schema-log.ts'
import { CONTENT_TYPE, call, closeRegistries, startRegistry } from './registry.test-fixture.ts'

afterEach(closeRegistries)

const USER_1 = { type: 'record', name: 'User', fields: [{ name: 'id', type: 'string' }] }
const USER_2 = {
  ...USER_1,
  fields: [...USER_1.fields, { name: 'email', type: ['null', 'string'], default: null }],
}
const USER_BROKEN = {
  ...USER_1,
  fields: [
    { name: 'id', type: 'long' },
    { name: 'age', type: 'int' },
  ],
}
const schemaOf = (schema: unknown) => ({ schema: JSON.stringify(schema) })

describe('registering', () => {
  test('answers id, version, guid and the canonical text; the same schema again changes nothing', async () => {
    const { http, log } = startRegistry()
    const first = await call(http, 'POST /subjects/user-value/versions', schemaOf(USER_1))
    expect(first).toEqual([
      200,
      {
        id: 1,
        version: 1,
        guid: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
        schemaType: 'AVRO',
        schema: JSON.stringify(USER_1),
      },
    ])
    const again = await call(http, 'POST /subjects/user-value/versions', schemaOf(USER_1))
    expect(again).toEqual(first)
    expect(log.entries).toHaveLength(1)
    expect(new TextDecoder().decode(log.entries[0]?.value ?? undefined)).toBe(
      `{"subject":"user-value","version":1,"id":1,"schemaType":"AVRO","schema":${JSON.stringify(JSON.stringify(USER_1))},"deleted":false}`,
    )
  })

  test('an incompatible schema is 409 with every reason and its path', async () => {
    const { http } = startRegistry()
    await call(http, 'POST /subjects/user-value/versions', schemaOf(USER_1))
    const [status, body] = await call(
      http,
      'POST /subjects/user-value/versions',
      schemaOf(USER_BROKEN),
    )
    expect(status).toBe(409)
    expect(Object.keys(body as object)).toEqual(['error_code', 'message'])
    const { error_code: errorCode, message } = body as { error_code: number; message: string }
    expect(errorCode).toBe(40901)
    expect(message).toBe(
      `Schema being registered is incompatible with an earlier schema for subject "user-value", details: [` +
        `{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the new schema does not match with the old schema', additionalInfo:'reader type: LONG not compatible with writer type: STRING'}, ` +
        `{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'age' at path '/fields/1' in the new schema has no default value and is missing in the old schema', additionalInfo:'age'}, ` +
        `{oldSchemaVersion: 1}, {oldSchema: '${JSON.stringify(USER_1)}'}, {validateFields: 'false', compatibility: 'BACKWARD'}]`,
    )
  })

  test.for([
    ['a body that is not JSON', '{', 400, 400],
    ['a body that is no object', '[]', 400, 400],
    ['a schema that is not text', { schema: 5 }, 400, 400],
    ['no schema', {}, 422, 42201],
    ['a schema that is not Avro', { schema: '{"type":"nonsense"}' }, 422, 42201],
    ['an unknown schema type', { schema: '{}', schemaType: 'XML' }, 422, 42201],
  ] as const)('%s is refused', async ([, body, status, errorCode]) => {
    const { http } = startRegistry()
    expect(await call(http, 'POST /subjects/s/versions', body)).toEqual([
      status,
      { error_code: errorCode, message: expect.any(String) },
    ])
  })

  test.for([
    [
      'types that are written out 400 levels deep',
      {
        schema: JSON.stringify(
          Array.from({ length: 400 }, (_, index) => ({
            type: 'record',
            name: `R${index}`,
            fields: [{ name: 'f', type: index === 399 ? 'int' : `R${index + 1}` }],
          })),
        ),
      },
    ],
    ['a number beyond all', { schema: '{"type":"number","maximum":1e400}', schemaType: 'JSON' }],
  ] as const)('what could not be read back is refused: %s', async ([, body]) => {
    const { http, log } = startRegistry()
    const [status, answer] = await call(http, 'POST /subjects/s/versions', body)
    expect([status, answer]).toMatchObject([422, { error_code: 42201 }])
    expect(log.entries).toEqual([])
  })

  test('unknown members of the body are ignored', async () => {
    const { http } = startRegistry()
    const [status] = await call(http, 'POST /subjects/s/versions', {
      ...schemaOf('int'),
      whatever: 1,
      __proto__: { x: 1 },
    })
    expect(status).toBe(200)
  })

  test('tags that would change nothing are as good as none', async () => {
    const { http } = startRegistry()
    const tags = { schemaTagsToAdd: [], schemaTagsToRemove: null, propagateSchemaTags: false }
    const body = { ...schemaOf('int'), ...tags }
    expect((await call(http, 'POST /subjects/s/versions', body))[0]).toBe(200)
  })

  test('a subject may hold an encoded slash and any other character', async () => {
    const { http } = startRegistry()
    const subject = 'a/b é%'
    const path = encodeURIComponent(subject)
    await call(http, `POST /subjects/${path}/versions`, schemaOf('int'))
    expect(await call(http, 'GET /subjects')).toEqual([200, [subject]])
    expect(await call(http, `GET /subjects/${path}/versions`)).toEqual([200, [1]])
  })
})

test('a schema is found by id, by version and by its text', async () => {
  const { http } = startRegistry()
  await call(http, 'POST /subjects/user-value/versions', schemaOf(USER_1))
  await call(http, 'POST /subjects/user-value/versions', schemaOf(USER_2))
  const entity = { subject: 'user-value', version: 2, id: 2, schema: JSON.stringify(USER_2) }
  expect(await call(http, 'GET /subjects/user-value/versions')).toEqual([200, [1, 2]])
  for (const version of ['2', 'latest', '-1', 'LATEST']) {
    const answer = await call(http, `GET /subjects/user-value/versions/${version}`)
    expect(answer).toMatchObject([200, entity])
  }
  expect(await call(http, 'POST /subjects/user-value', schemaOf(USER_2))).toMatchObject([
    200,
    entity,
  ])
  expect(await call(http, 'GET /schemas/ids/2')).toMatchObject([
    200,
    { schema: entity.schema, schemaType: 'AVRO' },
  ])
  expect(await call(http, 'GET /schemas/ids/2/schema')).toEqual([200, USER_2])
  expect(await call(http, 'GET /schemas/ids/2/subjects')).toEqual([200, ['user-value']])
  expect(await call(http, 'GET /schemas/ids/2/versions')).toEqual([
    200,
    [{ subject: 'user-value', version: 2 }],
  ])
  expect(await call(http, 'GET /subjects/user-value/versions/1/schema')).toEqual([200, USER_1])
})

test('a schema is found by its GUID, soft-deleted or not, until it is gone', async () => {
  const { http } = startRegistry()
  const guid = 'ef524ea1-b91e-7317-3d93-8ade36c1db32'
  const missing = [404, { error_code: 40403, message: `Schema ${guid} not found` }]
  expect(await call(http, `GET /schemas/guids/${guid}`)).toEqual(missing)
  await call(http, 'POST /subjects/s/versions', schemaOf('int'))
  const found = [200, expect.objectContaining({ schema: '"int"', guid })]
  expect(await call(http, `GET /schemas/guids/${guid}`)).toEqual(found)
  expect(await call(http, `GET /schemas/guids/${guid.toUpperCase()}`)).toEqual(found)
  expect(await call(http, `GET /schemas/guids/${guid}/ids`)).toEqual([
    200,
    [{ context: '.', id: 1 }],
  ])
  await call(http, 'DELETE /subjects/s')
  expect(await call(http, `GET /schemas/guids/${guid}`)).toEqual(found)
  await call(http, 'DELETE /subjects/s?permanent=true')
  expect(await call(http, `GET /schemas/guids/${guid}`)).toEqual(missing)
})

test.for(['/contexts/:.:', '/contexts/%3A.%3A'])(
  '%s before a path is the default context',
  async (prefix) => {
    const { http } = startRegistry()
    await call(http, `POST ${prefix}/subjects/s/versions`, schemaOf('int'))
    expect(await call(http, `GET ${prefix}/schemas/ids/1`)).toMatchObject([200, { subject: 's' }])
    expect(await call(http, 'GET /subjects')).toEqual([200, ['s']])
    expect(await call(http, 'GET /contexts/.other/subjects')).toEqual([200, []])
  },
)

test('a path with the context . is taken from clients that do not shorten it', async () => {
  const { http } = startRegistry()
  await http.listen({ port: 0, host: '127.0.0.1' })
  const { port } = http.server.address() as AddressInfo
  const status = await new Promise((resolve, reject) => {
    get({ port, path: '/contexts/./subjects' }, (response) => resolve(response.statusCode)).once(
      'error',
      reject,
    )
  })
  expect(status).toBe(200)
})

test('every refusal has an error code and a message, and nothing else', async () => {
  const { http } = startRegistry()
  await call(http, 'PUT /config', { compatibility: 'FULL' })
  await call(http, 'POST /subjects/s/versions', schemaOf(USER_1))
  const refusals = [
    await call(http, 'POST /subjects/s/versions', schemaOf(USER_BROKEN)),
    await call(http, 'POST /subjects/s/versions', { schema: '{' }),
    await call(http, 'POST /subjects/s', schemaOf('int')),
    await call(http, 'POST /subjects/s/versions', 'no JSON'),
    await call(http, 'PUT /config/s', { compatibility: 'none at all' }),
    await call(http, 'DELETE /subjects/s?permanent=true'),
    await call(http, 'DELETE /nowhere'),
    await call(http, 'PUT /schemas/types', {}),
  ]
  for (const [status, body] of refusals) {
    expect(body, String(status)).toEqual({
      error_code: expect.any(Number),
      message: expect.any(String),
    })
  }
  expect(refusals.map(([status]) => status)).toEqual([409, 422, 404, 400, 422, 404, 404, 405])
})

test.for([
  ['GET /subjects/none/versions', 404, 40401],
  ['GET /subjects/none/versions/1', 404, 40401],
  ['GET /subjects/s/versions/9', 404, 40402],
  ['GET /subjects/s/versions/0', 422, 42202],
  ['GET /subjects/s/versions/x', 422, 42202],
  ['GET /schemas/ids/99', 404, 40403],
  ['GET /schemas/ids/abc', 404, 404],
  ['GET /config/s', 404, 40408],
  ['GET /mode/s', 404, 40409],
  ['DELETE /subjects/none', 404, 40401],
  ['GET /nowhere', 404, 404],
  ['PUT /subjects', 405, 405],
] as const)('%s is %d with the error code %d', async ([request, status, errorCode]) => {
  const { http } = startRegistry()
  await call(http, 'POST /subjects/s/versions', schemaOf('int'))
  expect(await call(http, request)).toEqual([
    status,
    { error_code: errorCode, message: expect.any(String) },
  ])
})

test('compatibility is checked without registering, with the reasons when asked', async () => {
  const { http } = startRegistry()
  await call(http, 'POST /subjects/s/versions', schemaOf(USER_1))
  const path = 'POST /compatibility/subjects/s/versions'
  expect(await call(http, `${path}/latest`, schemaOf(USER_2))).toEqual([
    200,
    { is_compatible: true },
  ])
  expect(await call(http, `${path}?verbose=true`, schemaOf(USER_2))).toEqual([
    200,
    { is_compatible: true, messages: [] },
  ])
  const [, verdict] = await call(http, `${path}/1?verbose=true`, schemaOf(USER_BROKEN))
  expect(verdict).toMatchObject({ is_compatible: false })
  expect((verdict as { messages: string[] }).messages).toHaveLength(5)
  expect(await call(http, `${path}/2`, schemaOf(USER_2))).toMatchObject([
    404,
    { error_code: 40402 },
  ])
  expect(
    await call(http, 'POST /compatibility/subjects/none/versions/latest', schemaOf(USER_2)),
  ).toEqual([200, { is_compatible: true }])
  expect(await call(http, `${path}/latest?verbose=true`, { schema: '{' })).toMatchObject([
    200,
    { is_compatible: false },
  ])
  expect(await call(http, 'GET /subjects/s/versions')).toEqual([200, [1]])
})

test('the flow of kafkajs: no config of the subject, then one is set, then the schema comes', async () => {
  const { http } = startRegistry()
  expect(await call(http, 'GET /config')).toEqual([200, { compatibilityLevel: 'BACKWARD' }])
  expect(await call(http, 'GET /config/s')).toMatchObject([404, { error_code: 40408 }])
  expect(await call(http, 'PUT /config/s', { compatibility: 'full' })).toEqual([
    200,
    { compatibility: 'full' },
  ])
  expect(await call(http, 'GET /config/s')).toEqual([200, { compatibilityLevel: 'FULL' }])
  expect(await call(http, 'POST /subjects/s/versions', schemaOf(USER_1))).toMatchObject([
    200,
    { id: 1 },
  ])
  expect(await call(http, 'PUT /config/s', { compatibility: 'bad' })).toMatchObject([
    422,
    { error_code: 42203 },
  ])
  // With the name that the level has in requests, too: some clients read that.
  expect(await call(http, 'DELETE /config/s')).toEqual([
    200,
    { compatibilityLevel: 'FULL', compatibility: 'FULL' },
  ])
  expect(await call(http, 'GET /config/s?defaultToGlobal=true')).toEqual([
    200,
    { compatibilityLevel: 'BACKWARD' },
  ])
})

test('deletes are soft, then hard, and answer what they deleted', async () => {
  const { http } = startRegistry()
  await call(http, 'POST /subjects/s/versions', schemaOf(USER_1))
  await call(http, 'POST /subjects/s/versions', schemaOf(USER_2))
  expect(await call(http, 'DELETE /subjects/s/versions/1')).toEqual([200, 1])
  expect(await call(http, 'DELETE /subjects/s')).toEqual([200, [2]])
  expect(await call(http, 'GET /subjects')).toEqual([200, []])
  expect(await call(http, 'GET /subjects?deleted=true')).toEqual([200, ['s']])
  expect(await call(http, 'GET /schemas/ids/1')).toMatchObject([200, {}])
  expect(await call(http, 'DELETE /subjects/s?permanent=true')).toEqual([200, [1, 2]])
  expect(await call(http, 'GET /schemas/ids/1')).toMatchObject([404, { error_code: 40403 }])
})

test('mode READONLY refuses writes', async () => {
  const { http } = startRegistry()
  expect(await call(http, 'GET /mode')).toEqual([200, { mode: 'READWRITE' }])
  expect(await call(http, 'PUT /mode', { mode: 'READONLY' })).toEqual([200, { mode: 'READONLY' }])
  expect(await call(http, 'POST /subjects/s/versions', schemaOf('int'))).toMatchObject([
    422,
    { error_code: 42205 },
  ])
  expect(await call(http, 'PUT /mode', { mode: 'x' })).toMatchObject([422, { error_code: 42204 }])
})

test('what clients ask for before anything else', async () => {
  const { http } = startRegistry()
  expect(await call(http, 'GET /')).toEqual([200, {}])
  expect(await call(http, 'GET /schemas/types')).toEqual([200, ['JSON', 'PROTOBUF', 'AVRO']])
  expect(await call(http, 'GET /contexts')).toEqual([200, ['.']])
  expect(await call(http, 'GET /associations/resources/-/orders?resourceType=topic')).toEqual([
    200,
    [],
  ])
  expect(await call(http, 'GET /v1/metadata/id')).toEqual([
    200,
    {
      scope: {
        path: [],
        clusters: { 'kafka-cluster': 'memory', 'schema-registry-cluster': 'schema-registry' },
      },
    },
  ])
  expect(await call(http, 'GET /v1/metadata/version')).toEqual([
    200,
    { version: '0.0.0', commitId: REVISION },
  ])
})

test('media types are agreed on, and the request id comes back', async () => {
  const { http } = startRegistry()
  const get = (headers: Record<string, string>) =>
    http.inject({ method: 'GET', url: '/subjects', headers })
  expect((await get({})).headers['content-type']).toContain(CONTENT_TYPE)
  expect((await get({ accept: 'text/html, application/json' })).headers['content-type']).toContain(
    'application/json',
  )
  expect((await get({ accept: 'text/html' })).statusCode).toBe(406)
  for (const url of ['/subjects/none/versions', '/nowhere']) {
    const refused = await http.inject({ method: 'GET', url })
    expect(refused.headers['content-type']).toContain(CONTENT_TYPE)
  }
  expect((await get({ 'x-request-id': 'abc' })).headers['x-request-id']).toBe('abc')
  const posted = await http.inject({
    method: 'POST',
    url: '/subjects/s/versions',
    headers: { 'content-type': 'text/plain' },
    payload: 'x',
  })
  expect([posted.statusCode, posted.json()]).toMatchObject([415, { error_code: 415 }])
})

describe('two registries over one log', () => {
  test('see each other at once, and a new one has the same ids', async () => {
    const { http: first, log } = startRegistry()
    const { http: second } = startRegistry(log)
    await call(first, 'POST /subjects/a/versions', schemaOf('int'))
    expect(await call(second, 'GET /schemas/ids/1')).toMatchObject([200, { schema: '"int"' }])
    expect(await call(second, 'POST /subjects/b/versions', schemaOf('long'))).toMatchObject([
      200,
      { id: 2 },
    ])
    const { http: third } = startRegistry(log)
    expect(await call(third, 'POST /subjects/c/versions', schemaOf('int'))).toMatchObject([
      200,
      { id: 1 },
    ])
  })

  test('never give one id to two schemas, however their writes meet', async () => {
    const { http: first, log } = startRegistry()
    const { http: second } = startRegistry(log)
    const types = ['int', 'long', 'float', 'double', 'string', 'bytes', 'boolean', 'null']
    const answers = await Promise.all(
      types.flatMap((type, index) => [
        call(first, `POST /subjects/x${index}/versions`, schemaOf(type)),
        call(second, `POST /subjects/y${index}/versions`, schemaOf(types[7 - index])),
      ]),
    )
    const schemaOfId = new Map<number, string>()
    for (const [status, body] of answers) {
      const { id, schema } = body as { id: number; schema: string }
      expect([status, schemaOfId.get(id) ?? schema]).toEqual([200, schema])
      schemaOfId.set(id, schema)
    }
    expect(schemaOfId.size).toBe(types.length)
    for (const http of [first, second]) {
      const [, stored] = await call(http, 'GET /schemas')
      expect(stored).toHaveLength(2 * types.length)
    }
  })
})

test('a writer that lost a race stores what it decides the next time', async () => {
  const { http: first, log } = startRegistry()
  const { http: second } = startRegistry(log)
  let raced = false
  log.beforeAppend = async () => {
    if (raced) return
    raced = true
    await call(second, 'POST /subjects/b/versions', schemaOf('long'))
  }
  expect(await call(first, 'POST /subjects/a/versions', schemaOf('int'))).toMatchObject([
    200,
    { id: 2, version: 1 },
  ])
  const { http: third } = startRegistry(log)
  expect(await call(third, 'GET /subjects')).toEqual([200, ['a', 'b']])
})

describe('without its broker', () => {
  test('the registry is not ready, refuses, and recovers by itself', async () => {
    const log = new MemorySchemaLog()
    log.isDown = true
    const { http, states } = startRegistry(log)
    expect(await call(http, 'GET /subjects')).toMatchObject([500, { error_code: 50001 }])
    expect(states.at(-1)).toContain('the broker is down')
    log.isDown = false
    await vi.waitFor(() => expect(states.at(-1)).toBe(true), { timeout: 60_000 })
    expect(await call(http, 'POST /subjects/a/versions', schemaOf('int'))).toMatchObject([
      200,
      { id: 1 },
    ])
  })

  test('a write that cannot be stored in time is 50002, and asking again is safe', async () => {
    const { http, log } = startRegistry()
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    log.beforeAppend = () => released
    expect(await call(http, 'POST /subjects/a/versions', schemaOf('int'))).toMatchObject([
      500,
      { error_code: 50002 },
    ])
    release()
    expect(await call(http, 'POST /subjects/a/versions', schemaOf('int'))).toMatchObject([
      200,
      { id: 1, version: 1 },
    ])
  })
})
