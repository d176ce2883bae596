import { afterEach, expect, test } from 'vitest'
import { closeRegistries, startRegistry } from './registry.test-fixture.ts'

afterEach(closeRegistries)

/** `REGISTRY_HOSTILE_REQUESTS=10000` for a long run. */
const REQUESTS = Number(process.env['REGISTRY_HOSTILE_REQUESTS'] ?? 200)
const NEIGHBOURS_EVERY = 5

/** Small and repeatable (mulberry32). */
const randomInt = (seed: number) => {
  let state = seed
  return (bound: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

const nested = (depth: number, open: string, close: string): string =>
  `${open.repeat(depth)}"int"${close.repeat(depth)}`
const enumOf = (count: number, name: string): string =>
  JSON.stringify({
    type: 'enum',
    name,
    symbols: Array.from({ length: count }, (_, index) => `S${index}`),
  })

/** Texts that a schema may be: hostile ones are refused, large ones may be taken. */
const schemaTexts: readonly ((seed: number) => { schemaType?: string; schema: unknown })[] = [
  () => ({ schema: '{' }),
  () => ({ schema: '{"type":"record"}' }),
  () => ({ schema: 5 }),
  () => ({ schema: { type: 'int' } }),
  () => ({ schema: nested(2_000, '{"type":"array","items":', '}') }),
  () => ({ schema: nested(2_000, '[', ']') }),
  () => ({ schema: `{"type":"record","name":"${'R'.repeat(50_000)}!","fields":[]}` }),
  (seed) => ({ schema: enumOf(5_000, `E${seed % 7}`) }),
  () => ({ schema: '{"__proto__":{"type":"int"},"constructor":{"prototype":{}}}' }),
  () => ({
    schema: '{"type":"record","name":"__proto__","fields":[{"name":"constructor","type":"x"}]}',
  }),
  () => ({
    schema:
      '{"type":"record","name":"T","fields":[{"name":"l","type":"T"},{"name":"r","type":["T","T"]}]}',
  }),
  () => ({ schema: `{"type":"fixed","name":"F","size":${'9'.repeat(500)}}` }),
  () => ({ schema: `{"type":"int","x":1e999999}` }),
  () => ({ schemaType: 'JSON', schema: '{"$ref":"http://169.254.169.254/latest"}' }),
  () => ({ schemaType: 'JSON', schema: '{"$ref":"#"}' }),
  (seed) => ({
    schemaType: 'JSON',
    schema: JSON.stringify({
      type: 'object',
      properties: { [`${'a'.repeat(60)}${seed % 3}`]: { type: 'string' } },
      patternProperties: { '(a+)+$': { type: 'string' }, '(a|a)*b': { type: 'integer' } },
      additionalProperties: false,
    }),
  }),
  () => ({ schemaType: 'JSON', schema: nested(900, '{"not":', '}').replace('"int"', '{}') }),
  () => ({ schemaType: 'PROTOBUF', schema: 'message M {'.repeat(3_000) }),
  () => ({ schemaType: 'PROTOBUF', schema: `message M { ${'string a = 1;'.repeat(5_000)} }` }),
  () => ({ schemaType: 'PROTOBUF', schema: `option x = ${'['.repeat(5_000)}` }),
  () => ({ schemaType: 'PROTOBUF', schema: 'CgR0ZXN0IgUKA0Zvby'.repeat(1_000) }),
  () => ({ schemaType: 'PROTOBUF', schema: `/*${'*'.repeat(50_000)}` }),
  () => ({ schemaType: 'CSV', schema: '"int"' }),
  () => ({ schema: '"int"', references: [{ name: 'x', subject: 'x', version: 2 ** 40 }] }) as never,
]

const paths = [
  '/subjects/s/versions',
  '/subjects/j/versions',
  '/subjects/s',
  '/compatibility/subjects/s/versions?verbose=true',
  '/compatibility/subjects/j/versions/latest?verbose=true',
]
const oddRequests = [
  ['GET', '/subjects/%00/versions/latest'],
  ['GET', '/subjects/s/versions/99999999999999999999'],
  ['GET', '/subjects/s/versions/-2'],
  ['GET', `/schemas/ids/${'9'.repeat(300)}`],
  ['GET', '/schemas/ids/__proto__'],
  ['GET', '/schemas/guids/%F0%9F'],
  ['GET', `/subjects/${'a'.repeat(3_000)}/versions`],
  ['GET', '/subjects?limit=-1&offset=99999999999999'],
  ['GET', '/contexts/%E0%A4%A/subjects'],
  ['PATCH', '/config'],
  ['DELETE', '/subjects/__proto__'],
] as const

test(`${REQUESTS} hostile requests get 4xx, or are taken, and neighbours are not kept waiting`, async () => {
  const { http } = startRegistry()
  const int = randomInt(Number(process.env['REGISTRY_HOSTILE_SEED'] ?? 1))
  const pick = <Item>(items: readonly Item[]): Item => items[int(items.length)] as Item
  const inject = (method: string, url: string, payload?: string) =>
    http.inject({
      method: method as 'GET',
      url,
      headers: { 'content-type': 'application/json' },
      ...(payload === undefined ? {} : { payload }),
    })
  await inject('POST', '/subjects/neighbour/versions', '{"schema":"\\"int\\""}')
  const alone: number[] = []
  const beside: number[] = []
  const ask = async (): Promise<number> => {
    const startedMs = performance.now()
    const { statusCode } = await inject('GET', '/schemas/ids/1')
    expect(statusCode).toBe(200)
    return performance.now() - startedMs
  }
  for (let count = 0; count < 100; count += 1) alone.push(await ask())

  for (let count = 0; count < REQUESTS; count += 1) {
    const kind = int(10)
    const [method, url] = kind === 0 ? pick(oddRequests) : (['POST', pick(paths)] as const)
    let body = JSON.stringify(pick(schemaTexts)(count))
    if (kind === 1) body = body.slice(0, int(body.length))
    if (kind === 2) body = `{"__proto__":{"isAdmin":true},${body.slice(1)}`
    if (kind === 3) body = `${body}${' '.repeat(3_000_000)}`
    const startedMs = performance.now()
    const response = await inject(method, url, method === 'POST' ? body : undefined)
    const { statusCode } = response
    const what = `${method} ${url} ${body.slice(0, 100)}: ${response.body.slice(0, 200)}`
    expect(statusCode, what).toBeLessThan(500)
    expect(performance.now() - startedMs, what).toBeLessThan(5_000)
    const members = statusCode < 400 ? [] : Object.keys(response.json<object>())
    expect([[], ['error_code', 'message']], what).toContainEqual(members)
    if (count % NEIGHBOURS_EVERY === 0) beside.push(await ask())
  }
  expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  // The process stays up: what came before is still answered, and memory went back.
  expect(beside.length).toBeGreaterThan(0)
  const median = (times: number[]): number => times.sort((a, b) => a - b)[times.length >> 1] ?? 0
  expect(median(beside)).toBeLessThan(Math.max(5 * median(alone), 20))
}, 300_000)
