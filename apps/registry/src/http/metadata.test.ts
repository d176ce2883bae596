import { afterEach, describe, expect, test } from 'vitest'
import { call, closeRegistries, startRegistry } from './registry.test-fixture.ts'

afterEach(closeRegistries)

const record = (...names: string[]): string =>
  JSON.stringify({
    type: 'record',
    name: 'R',
    fields: names.map((name) => ({ name, type: 'int' })),
  })
const properties = (values: Record<string, string>) => ({ metadata: { properties: values } })

describe('metadata and rules', () => {
  test('are part of the content: stored, answered, and another version when they differ', async () => {
    const { http, log } = startRegistry()
    const tagged = { schema: '"int"', ...properties({ owner: 'ä' }) }
    expect(await call(http, 'POST /subjects/s/versions', { schema: '"int"' })).toMatchObject([
      200,
      { id: 1, version: 1 },
    ])
    const [, answer] = await call(http, 'POST /subjects/s/versions', tagged)
    expect(answer).toMatchObject({ id: 2, version: 2, ...properties({ owner: 'ä' }) })
    expect(await call(http, 'POST /subjects/s/versions', tagged)).toMatchObject([200, { id: 2 }])
    expect(new TextDecoder().decode(log.entries[1]?.value ?? undefined)).toContain(
      '"metadata":{"properties":{"owner":"ä"}},"schema"',
    )
    const { http: second } = startRegistry(log)
    expect(await call(second, 'GET /subjects/s/versions/2')).toMatchObject([200, tagged])
    expect(await call(second, 'GET /subjects/s/metadata?key=owner&value=%C3%A4')).toMatchObject([
      200,
      { version: 2 },
    ])
    expect(await call(second, 'GET /subjects/s/metadata?key=owner&value=x')).toMatchObject([
      404,
      { error_code: 40403 },
    ])
  })

  test('come from the version before, the defaults and the overrides', async () => {
    const { http } = startRegistry()
    await call(http, 'PUT /config/s', {
      compatibility: 'NONE',
      defaultMetadata: { properties: { a: 'default', b: 'default' } },
      overrideMetadata: { properties: { c: 'override' } },
    })
    const first = { schema: '"int"', ...properties({ b: 'own', c: 'own' }) }
    const merged = { metadata: { properties: { a: 'default', b: 'own', c: 'override' } } }
    expect(await call(http, 'POST /subjects/s/versions', first)).toMatchObject([200, merged])
    expect(await call(http, 'POST /subjects/s/versions', { schema: '"string"' })).toMatchObject([
      200,
      { version: 2, ...merged },
    ])
    expect(await call(http, 'POST /subjects/s', { schema: '"int"' })).toMatchObject([
      200,
      { version: 1 },
    ])
  })

  test.for([
    [{ metadata: [] }, 400, 400],
    [{ metadata: { properties: [] } }, 400, 400],
    [{ ruleSet: 'x' }, 400, 400],
    [{ ruleSet: { domainRules: [{}] } }, 422, 42210],
    [{ ruleSet: { domainRules: [{ name: 'r', kind: 'X', type: 'CEL' }] } }, 422, 42210],
    [{ ruleSet: { domainRules: [{ name: 'r', kind: 'CONDITION', type: 'CEL' }] } }, 200, undefined],
  ] as const)('%j is answered with %i', async ([extras, status, errorCode]) => {
    const { http } = startRegistry()
    const [found, body] = await call(http, 'POST /subjects/s/versions', {
      schema: '"int"',
      ...extras,
    })
    expect([found, (body as { error_code?: number }).error_code]).toEqual([status, errorCode])
  })
})

describe('settings', () => {
  test('versions of another compatibility group are not compared', async () => {
    const { http } = startRegistry()
    await call(http, 'PUT /config/s', { compatibilityGroup: 'major' })
    await call(http, 'POST /subjects/s/versions', {
      schema: '"int"',
      ...properties({ major: '1' }),
    })
    const other = { schema: '"string"', ...properties({ major: '2' }) }
    expect(await call(http, 'POST /subjects/s/versions', other)).toMatchObject([
      200,
      { version: 2 },
    ])
    const same = { schema: '"string"', ...properties({ major: '1' }) }
    expect(await call(http, 'POST /subjects/s/versions', same)).toMatchObject([409, {}])
    expect(await call(http, 'POST /compatibility/subjects/s/versions', same)).toMatchObject([
      200,
      { is_compatible: false },
    ])
  })

  test('an alias stands for another subject', async () => {
    const { http } = startRegistry()
    await call(http, 'POST /subjects/s/versions', { schema: '"int"' })
    await call(http, 'PUT /config/a', { alias: 's' })
    expect(await call(http, 'GET /subjects/a/versions/latest')).toMatchObject([
      200,
      { subject: 's' },
    ])
    expect(await call(http, 'POST /subjects/a/versions', { schema: '"long"' })).toMatchObject([
      200,
      { version: 2 },
    ])
    expect(await call(http, 'GET /subjects/a/versions')).toEqual([200, [1, 2]])
  })

  test('LENIENT lets a JSON Schema name an optional property', async () => {
    const { http } = startRegistry()
    const schema = (...names: string[]) => ({
      schemaType: 'JSON',
      schema: JSON.stringify({
        type: 'object',
        properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
      }),
    })
    await call(http, 'POST /subjects/s/versions', schema('a'))
    const [status, body] = await call(http, 'POST /subjects/s/versions', schema('a', 'b'))
    expect([status, (body as { message: string }).message]).toEqual([
      409,
      expect.stringContaining(
        `{errorType:"OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", description:"The new schema at path '#/properties/b' names`,
      ),
    ])
    await call(http, 'PUT /config/s', { compatibilityPolicy: 'LENIENT' })
    expect(await call(http, 'POST /subjects/s/versions', schema('a', 'b'))).toMatchObject([200, {}])
  })

  test('absent ones are kept, null clears, and the answer echoes what was sent', async () => {
    const { http } = startRegistry()
    const both = { compatibility: 'FULL', compatibilityGroup: 'g', validateFields: true }
    expect(await call(http, 'PUT /config/s', both)).toEqual([200, both])
    expect(await call(http, 'PUT /config/s', { compatibilityGroup: null })).toEqual([
      200,
      { compatibilityGroup: null },
    ])
    expect(await call(http, 'GET /config/s')).toEqual([
      200,
      { compatibilityLevel: 'FULL', validateFields: true },
    ])
    for (const wrong of [{ alias: 1 }, { validateFields: 'x' }, { defaultMetadata: 'x' }]) {
      expect(await call(http, 'PUT /config/s', wrong)).toMatchObject([400, { error_code: 400 }])
    }
    expect(await call(http, 'PUT /config/s', { compatibilityPolicy: 'X' })).toMatchObject([
      422,
      { error_code: 42203 },
    ])
  })

  test('soft-deleted versions may be listed with a minus', async () => {
    const { http } = startRegistry()
    await call(http, 'POST /subjects/s/versions', { schema: record('a') })
    await call(http, 'POST /subjects/s/versions', { schema: record() })
    await call(http, 'DELETE /subjects/s/versions/1')
    const path = 'GET /subjects/s/versions?deleted=true&deletedAsNegative=true'
    expect(await call(http, path)).toEqual([200, [-1, 2]])
  })
})

test('reasons with pointers, patches and samples come in our own media type only', async () => {
  const { http } = startRegistry()
  await call(http, 'POST /subjects/s/versions', { schema: record('a') })
  const ask = async (accept: string) => {
    const response = await http.inject({
      method: 'POST',
      url: '/compatibility/subjects/s/versions?verbose=true',
      headers: { accept, 'content-type': 'application/json' },
      payload: JSON.stringify({ schema: record('a', 'b') }),
    })
    return { type: response.headers['content-type'], body: response.json<object>() }
  }
  const ours = 'application/vnd.fairlead.registry.v1+json'
  const explained = await ask(`${ours}, application/json`)
  expect(explained).toMatchObject({
    type: expect.stringContaining(ours),
    body: {
      is_compatible: false,
      messages: expect.any(Array),
      details: [
        {
          rule: 'READER_FIELD_MISSING_DEFAULT_VALUE',
          level: 'BACKWARD',
          version: 1,
          reader: 'new',
          newPointer: '/fields/1',
          patch: [{ op: 'add', path: '/fields/1/default', value: 0 }],
          sample: { a: 1 },
        },
      ],
      patch: [{ op: 'add', path: '/fields/1/default', value: 0 }],
      warnings: [],
    },
  })
  for (const accept of ['*/*', 'application/json', 'application/vnd.schemaregistry.v1+json']) {
    expect(Object.keys((await ask(accept)).body)).toEqual(['is_compatible', 'messages'])
  }
})
