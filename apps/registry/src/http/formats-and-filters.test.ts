import { afterEach, describe, expect, test } from 'vitest'
import { call, closeRegistries, startRegistry } from './registry.test-fixture.ts'

afterEach(closeRegistries)

const rules = (type: string) => ({
  ruleSet: { domainRules: [{ name: 'r', kind: 'CONDITION', mode: 'WRITE', type, expr: 'true' }] },
})

describe('GET /schemas', () => {
  test('with aliases: each subject with those that match, also where only its alias does', async () => {
    const { http } = startRegistry()
    await call(http, 'POST /subjects/orders/versions', { schema: '"int"' })
    await call(http, 'POST /subjects/other/versions', { schema: '"long"' })
    await call(http, 'PUT /config/sales', { alias: 'orders' })
    await call(http, 'PUT /config/shop', { alias: 'orders' })
    const subjects = async (query: string) => {
      const [, schemas] = await call(http, `GET /schemas?${query}`)
      return (schemas as { subject: string; aliases?: string[] }[]).map(
        ({ subject, aliases }) => [subject, aliases] as const,
      )
    }
    expect(await subjects('aliases=true')).toEqual([
      ['orders', ['sales', 'shop']],
      ['other', undefined],
    ])
    expect(await subjects('aliases=true&subjectPrefix=sa')).toEqual([['orders', ['sales']]])
    expect(await subjects('subjectPrefix=sa')).toEqual([])
    expect(await subjects('')).toEqual([
      ['orders', undefined],
      ['other', undefined],
    ])
  })

  test('with ruleType: versions that have a rule of it, the latest of them', async () => {
    const { http } = startRegistry()
    await call(http, 'POST /subjects/s/versions', { schema: '"int"', ...rules('CEL') })
    await call(http, 'POST /subjects/s/versions', { schema: '"int"', ...rules('JSONATA') })
    expect(await call(http, 'GET /schemas?ruleType=CEL&latestOnly=true')).toMatchObject([
      200,
      [{ subject: 's', version: 1 }],
    ])
    expect(await call(http, 'GET /schemas?ruleType=ENCRYPT')).toEqual([200, []])
  })
})

test('referenceFormat=qualified: references name the context that they inherit', async () => {
  const { http } = startRegistry()
  await call(http, 'POST /subjects/:.c:line/versions', {
    schema: '{"type":"record","name":"Line","fields":[]}',
  })
  const references = [{ name: 'Line', subject: 'line', version: 1 }]
  const body = { schema: '{"type":"array","items":"Line"}', references }
  const [, { id }] = (await call(http, 'POST /subjects/:.c:order/versions', body)) as [
    number,
    { id: number },
  ]
  for (const path of ['/subjects/:.c:order/versions/1?', `/schemas/ids/${id}?subject=:.c:&`]) {
    const subjectOf = async (query: string) => {
      const [, schema] = await call(http, `GET ${path}${query}`)
      return (schema as { references: typeof references }).references[0]?.subject
    }
    expect(await subjectOf('')).toBe('line')
    expect(await subjectOf('referenceFormat=qualified')).toBe(':.c:line')
  }
})

test('format=serialized: wherever a schema is answered', async () => {
  const { http } = startRegistry()
  const body = {
    schemaType: 'PROTOBUF',
    schema: 'syntax = "proto3";\nmessage M {}\n',
    metadata: { properties: { a: 'b' } },
  }
  for (const request of [
    'POST /subjects/s/versions?format=serialized',
    'POST /subjects/s?format=serialized',
    'GET /subjects/s/versions/1?format=serialized',
    'GET /subjects/s/metadata?key=a&value=b&format=serialized',
    'GET /schemas/ids/1?format=serialized',
  ] as const) {
    const [status, answer] = await call(
      http,
      request,
      request.startsWith('POST') ? body : undefined,
    )
    const { schema } = answer as { schema: string }
    expect([status, schema], request).toEqual([200, expect.stringMatching(/^[A-Za-z0-9+/]+=*$/)])
  }
})

test('GET /schemas/ids/{id} tells the subjects that have it live, when asked with includeSubjects', async () => {
  const { http } = startRegistry()
  for (const subject of ['b', 'a', 'gone']) {
    await call(http, `POST /subjects/${subject}/versions`, { schema: '"int"' })
  }
  await call(http, 'DELETE /subjects/gone')
  const [, plain] = await call(http, 'GET /schemas/ids/1')
  expect(plain).not.toHaveProperty('subjects')
  expect(await call(http, 'GET /schemas/ids/1?includeSubjects=True')).toEqual([
    200,
    { ...(plain as object), subjects: ['a', 'b'] },
  ])
})
