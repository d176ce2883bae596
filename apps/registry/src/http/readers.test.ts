import { afterEach, expect, test } from 'vitest'
import { ConsumerReaders } from '../readers/consumer-readers.ts'
import { CONTENT_TYPE, call, closeRegistries, startRegistry } from './registry.test-fixture.ts'

afterEach(closeRegistries)

const record = (...fields: readonly object[]): string =>
  JSON.stringify({ type: 'record', name: 'Order', fields })
const id = { name: 'id', type: 'string' }
const note = { name: 'note', type: 'string' }
const noted = { ...note, default: '' }

/** A registry with `orders`, id 1, which two groups read: one needs the note, one does not. */
const withReaders = async () => {
  const { http } = startRegistry()
  await call(http, 'POST /subjects/orders/versions', { schema: record(id, noted) })
  for (const [group, member, schema] of [
    ['billing', 'a', record(id, note)],
    ['billing', 'b', record(id, note)],
    ['search', 'c', record(id)],
  ] as const) {
    expect(await call(http, 'POST /readers/ids/1', { group, member, schema })).toEqual([
      200,
      { subjects: ['orders'] },
    ])
  }
  const check = async (schema: string, accept = 'application/vnd.fairlead.registry.v1+json') => {
    const response = await http.inject({
      method: 'POST',
      url: '/compatibility/subjects/orders/versions/latest',
      headers: { 'content-type': CONTENT_TYPE, accept },
      payload: JSON.stringify({ schema }),
    })
    return response.json<object>()
  }
  return { http, check }
}

test('a check names the groups that a schema would break, also where the level allows it', async () => {
  const { check } = await withReaders()
  expect(await check(record(id))).toEqual({
    is_compatible: true,
    consumers: [
      {
        group: 'billing',
        members: 2,
        last_seen: '2023-11-14T22:13:20.000Z',
        is_broken: true,
        messages: [expect.stringContaining("'note'")],
      },
      expect.objectContaining({ group: 'search', is_broken: false, messages: [] }),
    ],
  })
})

test("Confluent's answer has none of it", async () => {
  const { check } = await withReaders()
  expect(await check(record(id), CONTENT_TYPE)).toEqual({ is_compatible: true })
})

test('readers are told by subject, and found by the GUID of what they read', async () => {
  const { http } = await withReaders()
  expect(await call(http, 'GET /readers/subjects/orders')).toMatchObject([
    200,
    [
      { group: 'billing', members: 2, schemaType: 'AVRO', schema: record(id, note) },
      { group: 'search', members: 1 },
    ],
  ])
  const [, stored] = await call(http, 'GET /schemas/ids/1')
  const { guid } = stored as { readonly guid: string }
  const report = { group: 'audit', member: 'd', schema: record(id) }
  expect(await call(http, `POST /readers/guids/${guid}`, report)).toEqual([
    200,
    { subjects: ['orders'] },
  ])
})

test.for([
  ['POST /readers/ids/9', { group: 'g', member: 'm', schema: '"int"' }, 404, 40_403],
  ['POST /readers/ids/1', { group: 'g', member: 'm', schema: '{' }, 422, 42_201],
  ['POST /readers/ids/1', { member: 'm', schema: '"int"' }, 400, 400],
  ['POST /readers/ids/1', { group: 'g', member: 'm'.repeat(300), schema: '"int"' }, 400, 400],
] as const)('%s %j is %d', async ([request, body, status, errorCode]) => {
  const { http } = await withReaders()
  expect(await call(http, request, body)).toMatchObject([status, { error_code: errorCode }])
})

test('a consumer that has told nothing for a day is gone, one after the other', () => {
  let now = 0
  const readers = new ConsumerReaders(() => now)
  const schema = { schema: '"int"', schemaType: 'AVRO', references: [], normalize: false }
  const report = (member: string) => readers.report({ subject: 's', group: 'g', member, schema })
  report('a')
  now = 3_600_000
  report('b')
  expect(readers.of('s')).toEqual([{ group: 'g', schema, memberCount: 2, lastSeenMs: 3_600_000 }])
  now = 24 * 3_600_000
  expect(readers.of('s')).toMatchObject([{ memberCount: 1 }])
  now = 25 * 3_600_000
  expect(readers.of('s')).toEqual([])
})

test('however much is told, what is kept is bounded: the oldest goes', () => {
  const readers = new ConsumerReaders(() => 0)
  const schema = { schema: '"int"', schemaType: 'AVRO', references: [], normalize: false }
  for (let group = 0; group < 10_001; group += 1) {
    readers.report({ subject: `s${group % 2}`, group: `g${group}`, member: 'm', schema })
  }
  expect(readers.of('s0').length + readers.of('s1').length).toBe(10_000)
  expect(readers.of('s0').some(({ group }) => group === 'g0')).toBe(false)
})
