import { afterEach, describe, expect, test } from 'vitest'
import { call, closeRegistries, startRegistry } from './registry.test-fixture.ts'

afterEach(closeRegistries)

const PLAIN = '{"type":"record","name":"myrecord","fields":[{"name":"f1","type":"string"}]}'
const tagged = (...tags: string[]): string =>
  `${PLAIN.slice(0, -1)},"confluent:tags":${JSON.stringify(tags)}}`
const onRecord = (...tags: string[]) => ({
  schemaEntity: { entityPath: 'myrecord', entityType: 'sr_record' },
  tags,
})
const version = (number: number) => ({
  metadata: { properties: { 'confluent:version': String(number) } },
})
const latest = 'GET /subjects/s/versions/latest'
const register = 'POST /subjects/s/versions'

/** The steps of Confluent's own test of tags, with its answers. */
test('tags are written, found, removed and propagated as in Confluent', async () => {
  const { http, log } = startRegistry()
  await call(http, register, { schema: PLAIN })
  const adding = { schema: PLAIN, version: 2, schemaTagsToAdd: [onRecord('TAG1', 'TAG2')] }
  expect(await call(http, register, adding)).toMatchObject([
    200,
    { id: 2, version: 2, schema: tagged('TAG1', 'TAG2'), ...version(2) },
  ])
  expect(await call(http, `${latest}?findTags=*`)).toMatchObject([
    200,
    { version: 2, schemaTags: [onRecord('TAG1', 'TAG2')], ...version(2) },
  ])

  const removing = {
    schema: tagged('TAG1', 'TAG2'),
    version: 3,
    schemaTagsToRemove: [onRecord('TAG2')],
  }
  expect(await call(http, register, removing)).toMatchObject([
    200,
    { id: 3, schema: tagged('TAG1'), ...version(3) },
  ])
  expect(await call(http, 'GET /schemas/ids/3?subject=s&findTags=TAG1')).toMatchObject([
    200,
    { schemaTags: [onRecord('TAG1')] },
  ])

  const evolved = `${PLAIN.slice(0, -2)},{"name":"f2","type":"string","default":"hi"}]}`
  expect(await call(http, register, { schema: evolved, propagateSchemaTags: true })).toMatchObject([
    200,
    { id: 4, version: 4, schema: `${evolved.slice(0, -1)},"confluent:tags":["TAG1"]}` },
  ])
  const ownTag = evolved.replace('"type":"string"}', '"type":"string","confluent:tags":["TAG2"]}')
  await call(http, register, { schema: ownTag, propagateSchemaTags: true })
  const onField = {
    schemaEntity: { entityPath: 'myrecord.f1', entityType: 'sr_field' },
    tags: ['TAG2'],
  }
  const all = { id: 5, version: 5, schemaTags: [onRecord('TAG1'), onField] }
  expect(await call(http, `${latest}?findTags=TAG1&findTags=TAG2`)).toMatchObject([200, all])
  expect(await call(http, `${latest}?findTags=TAG2`)).toMatchObject([
    200,
    { schemaTags: [onField] },
  ])
  // As Confluent's client for Java asks for the latest version.
  expect(await call(http, `${latest}?findTags=TAG1,TAG2`)).toMatchObject([200, all])
  expect((await call(http, `${latest}?findTags=NONE`))[1]).not.toHaveProperty('schemaTags')
  expect((await call(http, latest))[1]).not.toHaveProperty('schemaTags')

  const { http: restarted } = startRegistry(log)
  expect(await call(restarted, `${latest}?findTags=*`)).toMatchObject([200, all])
})

test('without a number the next one is written into the metadata; the same request finds its version', async () => {
  const { http, log } = startRegistry()
  await call(http, register, { schema: PLAIN })
  const adding = { schema: PLAIN, schemaTagsToAdd: [onRecord('TAG1')] }
  const answer = { id: 2, version: 2, ...version(2) }
  expect(await call(http, register, adding)).toMatchObject([200, answer])
  const written = log.entries.length
  expect(await call(http, register, adding)).toMatchObject([200, answer])
  expect(log.entries.length).toBe(written)
})

test.for([
  [
    'a path that leads nowhere',
    {
      version: 2,
      schemaTagsToAdd: [
        { ...onRecord('T'), schemaEntity: { entityPath: 'a.b.c', entityType: 'sr_field' } },
      ],
    },
    422,
    42201,
  ],
  ['a number that is not the next', { version: 1, schemaTagsToAdd: [onRecord('T')] }, 422, 42201],
  ['no schema', { schema: '', schemaTagsToAdd: [onRecord('T')] }, 422, 42201],
  [
    'another type of entity',
    { schemaTagsToAdd: [{ schemaEntity: { entityPath: 'myrecord', entityType: 'x' }, tags: [] }] },
    400,
    400,
  ],
  ['no entity', { schemaTagsToAdd: [{ tags: ['T'] }] }, 400, 400],
  ['no tags', { schemaTagsToAdd: [{ schemaEntity: onRecord().schemaEntity }] }, 400, 400],
  ['tags that are no texts', { schemaTagsToRemove: [{ ...onRecord(), tags: [1] }] }, 400, 400],
  ['no list', { schemaTagsToAdd: 'T' }, 400, 400],
  [
    'too many tags',
    { schemaTagsToAdd: [onRecord(...Array.from({ length: 10_001 }, (_, tag) => `${tag}`))] },
    400,
    400,
  ],
] as const)('%s is refused', async ([, change, status, errorCode]) => {
  const { http } = startRegistry()
  await call(http, register, { schema: PLAIN })
  expect(await call(http, register, { schema: PLAIN, ...change })).toMatchObject([
    status,
    { error_code: errorCode },
  ])
  expect(await call(http, 'GET /subjects/s/versions')).toEqual([200, [1]])
})

describe('POST /subjects/{subject}/versions/{version}/tags', () => {
  const tags = 'POST /subjects/s/versions/latest/tags'

  test('registers the schema of a version with other tags', async () => {
    const { http } = startRegistry()
    await call(http, register, { schema: PLAIN })
    expect(
      await call(http, tags, { newVersion: 2, tagsToAdd: [onRecord('TAG1', 'TAG2')] }),
    ).toMatchObject([200, { id: 2, version: 2, schema: tagged('TAG1', 'TAG2'), ...version(2) }])
    expect(await call(http, tags, { tagsToRemove: [onRecord('TAG2')] })).toMatchObject([
      200,
      { id: 3, version: 3, schema: tagged('TAG1'), ...version(3) },
    ])
    const other = { tagsToAdd: [onRecord('X')], metadata: { properties: { owner: 'me' } } }
    expect(await call(http, 'POST /subjects/s/versions/1/tags', other)).toMatchObject([
      200,
      {
        version: 4,
        schema: tagged('X'),
        metadata: { properties: { 'confluent:version': '4', owner: 'me' } },
      },
    ])
  })

  test('changes the rules of the version before', async () => {
    const { http } = startRegistry()
    const rule = (name: string, tag = 'PII') => ({
      name,
      kind: 'CONDITION',
      mode: 'UPGRADE',
      type: 'foo',
      tags: [tag],
    })
    await call(http, register, { schema: PLAIN })
    await call(http, tags, {
      newVersion: 2,
      rulesToMerge: {
        migrationRules: [rule('m1'), rule('m2')],
        domainRules: [rule('d1'), rule('d2'), rule('d3')],
      },
      rulesToRemove: ['d4'],
    })
    const [status, body] = await call(http, tags, {
      newVersion: 3,
      rulesToMerge: {
        migrationRules: [rule('m3', 'PII2')],
        domainRules: [rule('d5', 'PII2'), rule('d4', 'PII2'), rule('d2', 'PII2')],
      },
      rulesToRemove: ['d1', 'm2'],
    })
    expect([status, body]).toMatchObject([
      200,
      {
        version: 3,
        ruleSet: {
          migrationRules: [rule('m1'), rule('m3', 'PII2')],
          domainRules: [rule('d3'), rule('d5', 'PII2'), rule('d4', 'PII2'), rule('d2', 'PII2')],
        },
      },
    ])
  })

  test.for([
    ['POST /subjects/none/versions/1/tags', {}, 404, 40401],
    ['POST /subjects/s/versions/9/tags', {}, 404, 40402],
    ['POST /subjects/s/versions/0/tags', {}, 422, 42202],
    ['POST /subjects/__EMPTY/versions/1/tags', {}, 422, 42208],
    [tags, { newVersion: 1 }, 422, 42201],
    [
      tags,
      {
        tagsToAdd: [
          { ...onRecord('T'), schemaEntity: { entityPath: 'x', entityType: 'sr_record' } },
        ],
      },
      422,
      42201,
    ],
    [tags, { ruleSet: {}, rulesToMerge: {} }, 422, 42210],
    [tags, { rulesToMerge: { domainRules: [{}] } }, 422, 42210],
    [tags, { rulesToRemove: 'x' }, 400, 400],
    ['PUT /subjects/s/versions/1/tags', {}, 405, 405],
  ] as const)('%s with %j is refused', async ([request, body, status, errorCode]) => {
    const { http } = startRegistry()
    await call(http, register, { schema: PLAIN })
    expect(await call(http, request, body)).toMatchObject([status, { error_code: errorCode }])
  })

  test('is refused in read-only mode, and incompatible where the version is', async () => {
    const { http } = startRegistry()
    await call(http, register, { schema: PLAIN })
    await call(http, 'PUT /config/s', { compatibility: 'NONE' })
    await call(http, register, { schema: '"int"' })
    await call(http, 'PUT /config/s', { compatibility: 'BACKWARD' })
    expect(
      await call(http, 'POST /subjects/s/versions/1/tags', { tagsToAdd: [onRecord('T')] }),
    ).toMatchObject([409, { error_code: 40901 }])
    await call(http, 'PUT /mode/s', { mode: 'READONLY' })
    expect(await call(http, tags, {})).toMatchObject([422, { error_code: 42205 }])
  })
})

/** The steps of Confluent's own test of `confluent:version`, with its answers. */
test('a version that is registered under a number is found without it', async () => {
  const { http } = startRegistry()
  const body = (number?: number, asked?: number) => ({
    schema: PLAIN,
    ...(number === undefined ? {} : { version: number }),
    ...(asked === undefined ? {} : version(asked)),
  })
  const ids: unknown[] = []
  for (const number of [undefined, -1, 2, -1]) {
    const [, answer] = await call(http, register, body(number))
    ids.push((answer as { id: number }).id)
  }
  expect(ids).toEqual([1, 1, 2, 2])
  expect(await call(http, latest)).toMatchObject([200, { version: 2, ...version(2) }])
  for (const [asked, found] of [
    [undefined, 1],
    [1, 1],
    [2, 2],
  ] as const) {
    const [, answer] = await call(http, 'POST /subjects/s', body(undefined, asked))
    expect(answer).toMatchObject({ version: found })
  }
  await call(http, 'DELETE /subjects/s/versions/1')
  expect(await call(http, 'POST /subjects/s', body())).toMatchObject([200, { version: 2 }])
  expect(await call(http, register, body())).toMatchObject([200, { id: 2, version: 2 }])
  expect(await call(http, register, body(3))).toMatchObject([200, { id: 3, ...version(3) }])
  expect(await call(http, register, body(-1))).toMatchObject([200, { id: 3 }])
  expect(await call(http, register, body(3))).toMatchObject([422, { error_code: 42201 }])
  expect(await call(http, register, body(4))).toMatchObject([200, { id: 4, ...version(4) }])
})

test('the number counts versions that are soft-deleted', async () => {
  const { http } = startRegistry()
  await call(http, register, { schema: PLAIN })
  await call(http, register, { schema: PLAIN, version: 2 })
  await call(http, 'DELETE /subjects/s/versions/2')
  const large = { ...onRecord('T'.repeat(20_000)) }
  expect(await call(http, register, { schema: PLAIN, schemaTagsToAdd: [large] })).toMatchObject([
    200,
    { version: 3, ...version(3) },
  ])
})

test('metadata are kept as Confluent keeps them: sorted, each once, texts', async () => {
  const { http } = startRegistry()
  const metadata = {
    sensitive: ['b', 'a', 'b'],
    properties: { z: 1, a: true },
    tags: { 'x.y': ['B', 'A', 'A'] },
    unknown: 'x',
  }
  const [, answer] = await call(http, register, { schema: PLAIN, metadata })
  expect(JSON.stringify((answer as { metadata: unknown }).metadata)).toBe(
    '{"tags":{"x.y":["A","B"]},"properties":{"a":"true","z":"1"},"sensitive":["a","b"]}',
  )
  await call(http, 'PUT /config/s', { overrideMetadata: { tags: { 'x.y': ['C'] } } })
  expect(await call(http, register, { schema: PLAIN, version: 2 })).toMatchObject([
    200,
    { metadata: { tags: { 'x.y': ['C'] }, sensitive: ['a', 'b'] } },
  ])
})
