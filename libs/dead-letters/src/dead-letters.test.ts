import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { defineEvents, parseSchema } from '@fairlead/avro'
import { expect, expectTypeOf, test } from 'vitest'
import { DeadLettersError, createDeadLetters } from './dead-letters.ts'
import { dataOfJson, jsonOfData } from './json-data.ts'

const Events = defineEvents({
  topic: 'outbox.event.order',
  key: 'orderId',
  events: {
    Placed: {
      type: 'record',
      name: 'Placed',
      fields: [
        { name: 'orderId', type: 'string' },
        { name: 'cents', type: 'long' },
        { name: 'lines', type: ['null', { type: 'long', js: 'number' }], default: null },
        { name: 'placedAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
        { name: 'note', type: ['null', 'string'], default: null },
        { name: 'tags', type: { type: 'array', items: 'bytes' } },
      ],
    },
    Closed: { type: 'record', name: 'Closed', fields: [{ name: 'orderId', type: 'string' }] },
  },
})

const PLACE_FIELD = { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } }

const value = {
  orderId: 'a',
  cents: '9007199254740993',
  lines: 3,
  placedAt: '2026-01-01T00:00:00.000Z',
  note: 'n',
  tags: ['\u0001\u00ff'],
}

type Asked = { readonly method: string; readonly path: string; readonly body: unknown }

/** A projector of canned answers, and what it was asked. */
function projector(answers: Readonly<Record<string, unknown>>, status = 200) {
  const asked: Asked[] = []
  const fetch = async (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { pathname, search } = new URL(new Request(url).url)
    const { method = 'GET', body } = init
    const sent: unknown = typeof body === 'string' ? JSON.parse(body) : null
    const { authorization } = { ...(init.headers as Readonly<Record<string, string>>) }
    expect(authorization).toBe('Bearer secret')
    asked.push({ method, path: pathname + search, body: sent })
    const answer = answers[pathname + search] ?? answers[pathname] ?? {}
    return answer instanceof Response ? answer : Response.json(answer, { status })
  }
  const options = {
    url: 'http://projector/',
    projection: 'orders',
    events: Events,
    token: 'secret',
    fetch,
  }
  return { asked, letters: createDeadLetters(options) }
}

const ANA = { actor: 'ana', reason: 'test' }

test('a letter has its event with the types of the schema, and an edit goes back as JSON', async () => {
  const { asked, letters } = projector({
    '/dead-letters': { deadLetters: [{ id: '7' }] },
    '/dead-letters/7': { id: '7', key: 'a', eventType: 'Placed', value },
  })
  const found = []
  for await (const letter of letters.letters({ kind: 'failed' })) found.push(letter.event)
  expect(found).toEqual([
    {
      type: 'Placed',
      data: {
        orderId: 'a',
        cents: 9007199254740993n,
        lines: 3,
        placedAt: new Date('2026-01-01T00:00:00.000Z'),
        note: 'n',
        tags: [Uint8Array.of(1, 255)],
      },
    },
  ])
  await letters.edit(
    '7',
    (event) => {
      if (event.type !== 'Placed') return event.data
      expectTypeOf(event.data.cents).toEqualTypeOf<bigint>()
      return { ...event.data, cents: event.data.cents + 1n }
    },
    ANA,
  )
  expect(asked.at(-1)).toEqual({
    method: 'PUT',
    path: '/dead-letters/7/value',
    body: { value: { ...value, cents: '9007199254740994' }, ...ANA },
  })
  expect(asked[0]?.path).toBe(
    '/dead-letters?projection=orders&version=live&limit=100&kind=failed&after=0',
  )
})

test('the letter at the head of a parked key is asked for by its id', async () => {
  const { letters } = projector({
    '/dead-letters/keys': { keys: [{ key: 'a', headId: '7' }], next: null },
    '/dead-letters/7': { id: '7', key: 'a', eventType: 'Gone', value: null, undecodable: 'why' },
  })
  const heads = []
  for await (const { headId } of letters.keys()) heads.push(await letters.letter(headId ?? ''))
  expect(heads).toEqual([{ id: '7', key: 'a', eventType: 'Gone', event: null, undecodable: 'why' }])
})

test('an id is never a path of its own, and a filter that is undefined is none', async () => {
  const { asked, letters } = projector({
    '/dead-letters': { deadLetters: [] },
    '/dead-letters/..%2F7': { id: '7', key: 'a', eventType: 'Placed', value },
  })
  await letters.edit('../7', ({ data }) => data, ANA)
  expect(asked.map(({ path }) => path)).toEqual([
    '/dead-letters/..%2F7?reveal=true',
    '/dead-letters/..%2F7/value',
  ])
  // As a program without exactOptionalPropertyTypes may write it.
  const filter: object = { key: undefined }
  for await (const letter of letters.letters(filter)) expect.fail(letter.id)
  expect(asked.at(-1)?.path).not.toContain('key=')
})

test('a replay waits for its end', async () => {
  const done = { request: 'r', replayed: 3, failedKeys: 0, pendingKeys: 0, pausedBy: null }
  const { asked, letters } = projector({
    '/dead-letters/replay': { request: 'r', keys: 1 },
    '/dead-letters/replays/r': done,
    '/dead-letters/discard': { discarded: 2 },
  })
  expect(await letters.replay({ key: 'a' }, { ...ANA, lettersPerSecond: 5 })).toEqual(done)
  expect(asked[0]?.body).toEqual({ projection: 'orders', key: 'a', ...ANA, lettersPerSecond: 5 })
  expect(await letters.discard({ all: true }, ANA)).toBe(2)
})

test('a replay of a projection that is paused is not waited for', async () => {
  const paused = { request: 'r', replayed: 0, failedKeys: 0, pendingKeys: 2, pausedBy: 'ben' }
  const { letters } = projector({
    '/dead-letters/replay': { request: 'r', keys: 2 },
    '/dead-letters/replays/r': paused,
  })
  expect(await letters.replay({ all: true }, ANA)).toEqual(paused)
  expect(await letters.replayResult('r')).toEqual(paused)
})

test('a replay that cannot be watched any more is named', async () => {
  const { letters } = projector({
    '/dead-letters/replay': { request: 'r', keys: 2 },
    '/dead-letters/replays/r': Response.json({ message: 'away' }, { status: 503 }),
  })
  await expect(letters.replay({ all: true }, ANA)).rejects.toThrow(/^replay r was asked for.*away$/)
})

test('parked keys are read page by page, each behind the one before', async () => {
  const { asked, letters } = projector({
    '/dead-letters/keys?projection=orders&version=live&limit=100': {
      keys: [{ key: 'a' }],
      next: '1.x',
    },
    '/dead-letters/keys?projection=orders&version=live&limit=100&after=1.x': {
      keys: [{ key: 'b' }],
      next: null,
    },
  })
  const keys = []
  for await (const { key } of letters.keys()) keys.push(key)
  expect(keys).toEqual(['a', 'b'])
  expect(asked).toHaveLength(2)
})

test('a letter that was replayed since it was listed is left out', async () => {
  const { letters } = projector({
    '/dead-letters': { deadLetters: [{ id: '7' }, { id: '8' }] },
    '/dead-letters/7': Response.json({ code: 'NOT_FOUND', message: 'gone' }, { status: 404 }),
    '/dead-letters/8': { id: '8', key: 'a', eventType: 'Closed', value: { orderId: 'a' } },
  })
  const found = []
  for await (const { id } of letters.letters()) found.push(id)
  expect(found).toEqual(['8'])
})

test('a type that is used by its name is that type', () => {
  const { root } = parseSchema(
    JSON.stringify({
      type: 'record',
      name: 'Moved',
      namespace: 'shop',
      fields: [
        { name: 'from', type: { type: 'record', name: 'Place', fields: [PLACE_FIELD] } },
        { name: 'to', type: ['null', 'shop.Place'] },
        { name: 'via', type: { type: 'array', items: 'Place' } },
      ],
    }),
    { mode: 'strict' },
  )
  const json = { at: '1970-01-01T00:00:00.000Z' }
  const place = { at: new Date(0) }
  expect(dataOfJson(root, { from: json, to: json, via: [json] })).toEqual({
    from: place,
    to: place,
    via: [place],
  })
})

test('a number is one where a branch takes it, and a long that is none stays what it is', () => {
  const schemaOf = (type: unknown) => parseSchema(JSON.stringify(type), { mode: 'strict' }).root
  for (const json of [1.5, 7, null]) {
    expect(dataOfJson(schemaOf(['null', 'long', 'double']), json)).toBe(json)
  }
  expect(dataOfJson(schemaOf(['null', 'long', 'double']), '9007199254740993')).toBe(
    9007199254740993n,
  )
  expect(dataOfJson(schemaOf(['null', 'long']), 7)).toBe(7n)
  expect(dataOfJson(schemaOf('long'), 1.5)).toBe(1.5)
})

test.for([
  [
    'by a symbol',
    { kind: 'AIR', left: '1970-01-01T00:00:00Z' },
    { kind: 'AIR', left: new Date(0) },
  ],
  ['by a field', { legs: 1 }, { legs: 1n }],
  ['by none of them', { legs: 'x', other: 1 }, { legs: 'x', other: 1 }],
] as const)('records of a union are told apart: %s', ([, json, data]) => {
  const left = (type: unknown) => ({ name: 'left', type })
  const kind = (symbol: string) => ({
    name: 'kind',
    type: { type: 'enum', name: `Is${symbol}`, symbols: [symbol] },
  })
  const record = (name: string, ...fields: readonly object[]) => ({ type: 'record', name, fields })
  const union = [
    record('Road', kind('ROAD'), left('string')),
    record('Air', kind('AIR'), left({ type: 'long', logicalType: 'timestamp-millis' })),
    record('Walk', { name: 'legs', type: 'long' }),
  ]
  const { root } = parseSchema(JSON.stringify(union), { mode: 'strict' })
  expect(dataOfJson(root, json)).toEqual(data)
})

test('a long goes back as it came, so that a union with text takes none for text', () => {
  const { root } = parseSchema(JSON.stringify(['string', 'long']), { mode: 'strict' })
  expect(jsonOfData(dataOfJson(root, 5))).toBe(5)
  expect(jsonOfData(-9007199254740991n)).toBe(-9007199254740991)
  expect(jsonOfData(9007199254740992n)).toBe('9007199254740992')
})

test('doubles that JSON has not go there and back as text', () => {
  const { root } = parseSchema(JSON.stringify(['null', 'double']), { mode: 'strict' })
  for (const number of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect(jsonOfData(number)).toBe(String(number))
    expect(dataOfJson(root, jsonOfData(number))).toBe(number)
  }
})

test('a replay that was given up before is not asked for', async () => {
  const { asked, letters } = projector({})
  const given = letters.replay({ all: true }, { ...ANA, signal: AbortSignal.abort() })
  await expect(given).rejects.toMatchObject({ name: 'DeadLettersError', code: 'ABORTED' })
  expect(asked).toEqual([])
})

test.for([
  ['that never comes', ''],
  ['whose end never comes', '{"discarded":'],
] as const)('an answer %s is not waited for', async ([, beginning]) => {
  const server = createServer((_request, response) => {
    if (beginning !== '') response.write(beginning)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const letters = createDeadLetters({
    url: `http://127.0.0.1:${port}`,
    projection: 'orders',
    events: Events,
    timeoutMs: 50,
  })
  const discarded = letters.discard({ all: true }, ANA)
  await expect(discarded).rejects.toMatchObject({
    name: 'DeadLettersError',
    code: 'TIMEOUT',
    retryable: true,
  })
  server.closeAllConnections()
  server.close()
})

test('an answer of something else is an error', async () => {
  const { letters } = projector({ '/dead-letters/discard': new Response('<html>') })
  await expect(letters.discard({ all: true }, ANA)).rejects.toMatchObject({ code: 'HTTP_200' })
})

test('what the projector refuses is an error with its code', async () => {
  const { letters } = projector(
    { '/dead-letters/dry-run': { code: 'NOT_FOUND', message: 'no' } },
    404,
  )
  const refused = letters.dryRun({ id: '1' })
  await expect(refused).rejects.toThrow(DeadLettersError)
  await expect(refused).rejects.toMatchObject({ code: 'NOT_FOUND', retryable: false })
})
