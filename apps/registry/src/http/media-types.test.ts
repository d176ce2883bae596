import { afterEach, describe, expect, test } from 'vitest'
import { MemorySchemaLog } from '../store/memory-schema-log.ts'
import { CONTENT_TYPE, call, closeRegistries, startRegistry } from './registry.test-fixture.ts'

afterEach(closeRegistries)

test('the content type of an answer is the media type alone, as clients compare it', async () => {
  const { http } = startRegistry()
  await call(http, 'POST /subjects/s/versions', { schema: '"int"' })
  for (const url of [
    '/subjects',
    '/schemas/ids/1',
    '/schemas/ids/1/schema',
    '/subjects/none/versions',
    '/nowhere',
  ]) {
    const plain = await http.inject({ method: 'GET', url })
    expect([url, plain.headers['content-type']]).toEqual([url, CONTENT_TYPE])
    const asked = await http.inject({ method: 'GET', url, headers: { accept: 'application/json' } })
    expect([url, asked.headers['content-type']]).toEqual([url, 'application/json'])
  }
})

const [V1, UNVERSIONED, JSON_TYPE] = [
  CONTENT_TYPE,
  'application/vnd.schemaregistry+json',
  'application/json',
]

test.for([
  ['*', V1],
  ['*/*', V1],
  ['*/anything', V1],
  ['application/*', V1],
  ['text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2', V1],
  [`${V1}, ${UNVERSIONED}, ${JSON_TYPE}`, V1],
  [`${JSON_TYPE}, ${V1}`, V1],
  [`${V1};q=0.5, ${UNVERSIONED};q=0.9`, UNVERSIONED],
  [`${V1};q=0.2, */*;q=0.9`, UNVERSIONED],
  [`${JSON_TYPE}, */*`, V1],
  [`${JSON_TYPE}, */*;q=0.1`, JSON_TYPE],
  [`${V1};q=0, */*`, UNVERSIONED],
  [`${JSON_TYPE};q=0`, 406],
  ['application/vnd.schemaregistry.v2+json', 406],
  ['application/octet-stream', 406],
  ['text/*', 406],
] as const)('who accepts %s is answered %s', async ([accept, expected]) => {
  const { http } = startRegistry()
  const { statusCode, headers } = await http.inject({
    method: 'GET',
    url: '/subjects',
    headers: { accept },
  })
  expect(statusCode === 200 ? headers['content-type'] : statusCode).toBe(expected)
})

test('the root answers whoever asks whether the registry is there', async () => {
  const { http } = startRegistry()
  const headers = { accept: 'text/html' }
  const answer = await http.inject({ method: 'GET', url: '/', headers })
  expect([answer.statusCode, answer.json()]).toEqual([200, {}])
})

test('a body of another type is refused with the words of Confluent', async () => {
  const { http } = startRegistry()
  const headers = { 'content-type': 'text/html' }
  const url = '/subjects/s/versions'
  const refused = await http.inject({ method: 'POST', url, headers, payload: '{}' })
  const message = 'HTTP 415 Unsupported Media Type'
  expect([refused.statusCode, refused.json()]).toEqual([415, { error_code: 415, message }])
  expect(refused.headers['content-type']).toBe(CONTENT_TYPE)
})

describe('a body of JSON is read in each encoding that JSON has', () => {
  const text = '{"schema":"{\\"type\\":\\"string\\",\\"note\\":\\"ä€\\"}"}'
  const utf16be = (value: string): Buffer => Buffer.from(value, 'utf16le').swap16()
  test.for([
    ['UTF-8', Buffer.from(text)],
    ['UTF-8 with its mark', Buffer.from(`\uFEFF${text}`)],
    ['UTF-16, little endian', Buffer.from(text, 'utf16le')],
    ['UTF-16, little endian with its mark', Buffer.from(`\uFEFF${text}`, 'utf16le')],
    ['UTF-16, big endian', utf16be(text)],
    ['UTF-16, big endian with its mark', utf16be(`\uFEFF${text}`)],
  ] as const)('%s', async ([, payload]) => {
    const { http } = startRegistry()
    const headers = { 'content-type': CONTENT_TYPE }
    const url = '/subjects/s/versions'
    expect((await http.inject({ method: 'POST', url, headers, payload })).statusCode).toBe(200)
    const schema = { type: 'string', note: 'ä€' }
    expect(await call(http, 'GET /subjects/s/versions/1/schema')).toEqual([200, schema])
  })
})

describe('/master_available', () => {
  test('is true once the registry has read its log, in any media type', async () => {
    const { http, store } = startRegistry()
    await store.catchUp()
    const available = await http.inject({
      method: 'GET',
      url: '/master_available',
      headers: { accept: 'text/plain' },
    })
    expect([available.statusCode, available.json()]).toEqual([200, { master_available: true }])
    expect(available.headers['cache-control']).toContain('no-store')
  })

  test('is false before', async () => {
    const log = new MemorySchemaLog()
    log.isDown = true
    const { http } = startRegistry(log)
    expect(await call(http, 'GET /master_available')).toEqual([200, { master_available: false }])
  })
})
