import { afterEach, describe, expect, test } from 'vitest'
import { MemorySchemaLog } from '../store/memory-schema-log.ts'
import { call, closeRegistries, startRegistry } from './registry.test-fixture.ts'

afterEach(closeRegistries)

const RESOURCE = { resourceName: 'topic1', resourceNamespace: 'default', resourceId: 'id-1' }
const TYPE = { resourceType: 'topic' }
const DEFAULT_SUBJECT = ':.default:topic1-value'
const weak = (subject: string, associationType = 'value') => ({
  subject,
  associationType,
  lifecycle: 'WEAK',
})
const create = 'POST /associations'
const upsert = 'PUT /associations/resources/id-1'
const schema = { schema: '"int"' }
const body = (...associations: object[]) => ({ ...RESOURCE, associations })
const error = (status: number, errorCode: number, message?: string) => [
  status,
  { error_code: errorCode, ...(message === undefined ? {} : { message }) },
]
const invalid = (property: string, detail: string) =>
  error(
    422,
    42212,
    `The association specified an invalid value for property: '${property}', detail: ${detail}`,
  )
const keysOf = (log: MemorySchemaLog): string[] =>
  log.entries.map(({ key }) => new TextDecoder().decode(key ?? undefined))

/** With schemas in `s1` and `s2`. */
const started = async (log = new MemorySchemaLog()) => {
  const { http } = startRegistry(log)
  await call(http, 'POST /subjects/s1/versions', schema)
  await call(http, 'POST /subjects/s2/versions', schema)
  return http
}

describe('weak associations', () => {
  test('are stored as Confluent stores them, and found by subject, id and name, after a restart too', async () => {
    const log = new MemorySchemaLog()
    const http = await started(log)
    const request = body(weak('s1', 'key'), weak('s2'))
    const dryRun = { ...request, resourceId: undefined }
    expect(await call(http, `${create}?dryRun=true`, dryRun)).toEqual([
      200,
      { resourceName: 'topic1', resourceNamespace: 'default', ...TYPE },
    ])
    const written = log.entries.length
    expect(await call(http, create, request)).toEqual([
      200,
      {
        ...RESOURCE,
        ...TYPE,
        associations: [
          { ...weak('s1', 'key'), frozen: false },
          { ...weak('s2'), frozen: false },
        ],
      },
    ])
    expect(keysOf(log).slice(written)).toEqual([
      '{"keytype":"ASSOC","tenant":"default","resourceName":"topic1","resourceNamespace":"default","resourceType":"topic","associationType":"key","subject":"s1","magic":0}',
      '{"keytype":"ASSOC","tenant":"default","resourceName":"topic1","resourceNamespace":"default","resourceType":"topic","associationType":"value","subject":"s2","magic":0}',
    ])
    expect(new TextDecoder().decode(log.entries[written]?.value ?? undefined)).toMatch(
      /^{"guid":"[0-9a-f-]{36}","tenant":"default","resourceName":"topic1","resourceNamespace":"default","resourceId":"id-1","resourceType":"topic","associationType":"key","subject":"s1","lifecycle":"WEAK","frozen":false}$/,
    )

    for (const { http: reader } of [{ http }, startRegistry(log)]) {
      const key = { ...RESOURCE, ...TYPE, ...weak('s1', 'key'), frozen: false }
      const value = { ...RESOURCE, ...TYPE, ...weak('s2'), frozen: false }
      for (const [path, found] of [
        ['subjects/s1', [key]],
        ['subjects/s2?associationType=value', [value]],
        ['subjects/s2?associationType=key', []],
        ['subjects/s2?resourceType=other', []],
        ['subjects/s2?lifecycle=STRONG', []],
        ['subjects/none', []],
        ['resources/id-1', [key, value]],
        ['resources/id-1?associationType=value&associationType=key', [key, value]],
        ['resources/id-1?offset=1', [value]],
        ['resources/id-1?limit=1', [key]],
        ['resources/none', []],
        ['resources/default/topic1?associationType=value', [value]],
        ['resources/-/topic1?resourceType=topic&associationType=value', [value]],
        ['resources/default/-', [key, value]],
        ['resources/-/-?lifecycle=WEAK', [key, value]],
        ['resources/other/topic1', []],
        ['resources/default/topic2', []],
      ] as const) {
        const [status, answer] = await call(reader, `GET /associations/${path}`)
        expect([status, answer], path).toMatchObject([200, found])
        expect(answer, path).toHaveLength(found.length)
      }
    }
    expect(await call(http, 'GET /associations/resources/id-1?lifecycle=X')).toMatchObject(
      error(404, 404),
    )
  })

  test('share a subject, and keep its last version', async () => {
    const http = await started()
    await call(http, create, body(weak('s1')))
    const other = { ...body(weak('s1')), resourceName: 'topic2', resourceId: 'id-2' }
    expect(await call(http, create, other)).toMatchObject([200, {}])
    expect(await call(http, 'DELETE /subjects/s1')).toEqual(
      error(409, 40904, "An association already exists for subject 's1'"),
    )
    expect(await call(http, 'DELETE /subjects/s1/versions/1')).toEqual(
      error(409, 40907, "No active (non-deleted) version exists for subject 's1'"),
    )
    await call(http, 'POST /subjects/s1/versions', { schema: '"long"' })
    expect(await call(http, 'DELETE /subjects/s1/versions/1')).toEqual([200, 1])
    expect(await call(http, 'DELETE /subjects/s1/versions/1?permanent=true')).toEqual([200, 1])
    expect(await call(http, 'DELETE /associations/resources/id-1')).toEqual([204, undefined])
    expect(await call(http, 'DELETE /associations/resources/id-2')).toEqual([204, undefined])
    expect(await call(http, 'DELETE /associations/resources/id-2')).toEqual(
      error(404, 40410, "Association for 'id-2' not found."),
    )
    expect(await call(http, 'DELETE /subjects/s1')).toEqual([200, [2]])
  })

  test('the same request again changes nothing', async () => {
    const log = new MemorySchemaLog()
    const http = await started(log)
    await call(http, create, body(weak('s1')))
    const written = log.entries.length
    for (const again of [create, upsert] as const) {
      expect(await call(http, again, body(weak('s1')))).toEqual([200, { ...RESOURCE, ...TYPE }])
    }
    expect(log.entries.length).toBe(written)
  })
})

describe('strong associations', () => {
  test('are made with their schemas, frozen, at subjects of their own', async () => {
    const log = new MemorySchemaLog()
    const { http } = startRegistry(log)
    const answer = (subject: string, associationType: string, id: number) => ({
      subject,
      associationType,
      lifecycle: 'STRONG',
      frozen: true,
      schema: { subject, version: 1, id },
    })
    const request = body(
      { associationType: 'key', schema },
      { associationType: 'value', schema: { schema: '"string"' } },
    )
    expect(await call(http, create, request)).toMatchObject([
      200,
      {
        associations: [
          answer(':.default:topic1-key', 'key', 1),
          answer(DEFAULT_SUBJECT, 'value', 2),
        ],
      },
    ])
    const written = log.entries.length
    expect(await call(http, create, request)).toEqual([200, { ...RESOURCE, ...TYPE }])
    expect(log.entries.length).toBe(written)
    const changed = body({ associationType: 'value', schema: { schema: '"bytes"' } })
    expect(await call(http, create, changed)).toEqual(
      error(409, 40903, "An association of type 'value' already exists for resource 'topic1'"),
    )

    expect(await call(http, 'DELETE /associations/resources/id-1')).toEqual(
      error(
        409,
        40908,
        "The association of type  'key' is frozen for subject ':.default:topic1-key'",
      ),
    )
    const cascade = 'DELETE /associations/resources/id-1?cascadeLifecycle=true'
    expect(await call(http, `${cascade}&dryRun=true`)).toEqual([204, undefined])
    expect(await call(http, `${cascade}&associationType=value`)).toEqual([204, undefined])
    expect(await call(http, 'GET /subjects?deleted=true')).toEqual([200, [':.default:topic1-key']])
    expect(await call(http, 'GET /associations/resources/id-1')).toMatchObject([
      200,
      [{ associationType: 'key' }],
    ])
  })

  test('one content has one id in a request as well', async () => {
    const { http } = startRegistry()
    const request = body({ associationType: 'key', schema }, { associationType: 'value', schema })
    expect(await call(http, create, request)).toMatchObject([
      200,
      { associations: [{ schema: { id: 1 } }, { schema: { id: 1 } }] },
    ])
  })

  test('a large schema is checked on a thread, and registered all the same', async () => {
    const { http } = startRegistry()
    const doc = 'x'.repeat(20_000)
    const large = JSON.stringify({ type: 'record', name: 'R', doc, fields: [] })
    expect(await call(http, create, body({ schema: { schema: large } }))).toMatchObject([
      200,
      { associations: [{ schema: { schema: large } }] },
    ])
  })

  test('tags are written into the schema', async () => {
    const { http } = startRegistry()
    const record = '{"type":"record","name":"r","fields":[]}'
    const schemaTagsToAdd = [
      { schemaEntity: { entityPath: 'r', entityType: 'sr_record' }, tags: ['T'] },
    ]
    const request = body({ schema: { schema: record, schemaTagsToAdd } })
    expect(await call(http, create, request)).toMatchObject([
      200,
      { associations: [{ schema: { schema: `${record.slice(0, -1)},"confluent:tags":["T"]}` } }] },
    ])
  })

  test('one that is not frozen may have any subject, takes new schemas, and becomes weak', async () => {
    const http = await started()
    const strong = { subject: 's1', associationType: 'value', lifecycle: 'STRONG' }
    expect(await call(http, create, body(strong))).toMatchObject([
      200,
      { associations: [{ ...strong, frozen: false }] },
    ])
    const other = { ...body(weak('s1')), resourceName: 'topic2', resourceId: 'id-2' }
    expect(await call(http, create, other)).toEqual(
      error(409, 40905, "A strong association already exists for subject 's1'"),
    )
    expect(await call(http, create, { ...other, associations: [strong] })).toEqual(
      error(409, 40904, "An association already exists for subject 's1'"),
    )
    const next = body({ associationType: 'value', schema: { schema: '"long"' } })
    expect(await call(http, upsert, next)).toMatchObject([200, {}])
    expect(await call(http, 'GET /subjects/s1/versions')).toEqual([200, [1, 2]])
    const wrong = body({ associationType: 'value', schema: { schema: '"string"' } })
    expect(await call(http, upsert, wrong)).toMatchObject(error(409, 40901))
    expect(await call(http, upsert, body({ lifecycle: 'WEAK' }))).toMatchObject([
      200,
      { associations: [{ ...weak('s1'), frozen: false }] },
    ])
    expect(await call(http, create, other)).toMatchObject([200, {}])
  })

  test('in import mode associations come without the schemas, which come by themselves', async () => {
    const { http } = startRegistry()
    await call(http, 'PUT /mode', { mode: 'IMPORT' })
    const frozen = body({ lifecycle: 'STRONG', frozen: true })
    expect(await call(http, create, frozen)).toMatchObject(error(409, 40907))
    const path = `/subjects/${encodeURIComponent(DEFAULT_SUBJECT)}/versions` as const
    await call(http, `POST ${path}`, { ...schema, id: 7, version: 3 })
    expect(await call(http, create, frozen)).toMatchObject([
      200,
      { associations: [{ subject: DEFAULT_SUBJECT, lifecycle: 'STRONG', frozen: true }] },
    ])
  })
})

const noSchema = { subject: 'none', associationType: 'value', lifecycle: 'WEAK' }

/** Confluent's refusals of 8.3.1, by what is wrong with the request. */
test.for([
  [
    create,
    { ...body(weak('s1')), resourceName: '' },
    invalid('resourceName', 'cannot be null or empty'),
  ],
  [
    create,
    { ...body(weak('s1')), resourceName: 'a.b' },
    invalid('resourceName', "illegal character '.'"),
  ],
  [
    create,
    { ...body(weak('s1')), resourceName: 'a'.repeat(257) },
    invalid('resourceName', 'exceeds max length of 256'),
  ],
  [
    create,
    { ...body(weak('s1')), resourceNamespace: undefined },
    invalid('resourceNamespace', 'cannot be null or empty'),
  ],
  [
    create,
    { ...body(weak('s1')), resourceId: undefined },
    invalid('resourceId', 'cannot be null or empty'),
  ],
  [
    create,
    { ...body(weak('s1')), resourceType: 'table' },
    invalid('resourceType', "must be 'topic'"),
  ],
  [create, body(), invalid('associations', 'cannot be null or empty')],
  [
    create,
    body(weak('s1', 'header')),
    invalid('associationType', "must be either 'key' or 'value'"),
  ],
  [
    create,
    body(weak('s1'), weak('s2')),
    invalid('associationType', 'Duplicate association type: value'),
  ],
  [create, body(weak('')), invalid('subject', 'must not be empty')],
  [
    create,
    body({ lifecycle: 'WEAK' }),
    invalid('subject', 'must be provided for WEAK associations'),
  ],
  [
    create,
    body(weak(DEFAULT_SUBJECT)),
    invalid('subject', `WEAK associations cannot use subject '${DEFAULT_SUBJECT}'`),
  ],
  [
    create,
    body({ ...weak('s1'), frozen: true }),
    invalid('frozen', 'association with lifecycle of WEAK cannot be frozen'),
  ],
  [
    create,
    body({ ...weak('s1'), schema }),
    invalid('lifecycle', 'cannot be WEAK when schema is provided'),
  ],
  [
    create,
    body({ frozen: false, schema }),
    invalid('frozen', 'cannot be false when schema is provided for create'),
  ],
  [
    create,
    body({ subject: 's1', schema }),
    invalid('subject', `frozen associations must use subject '${DEFAULT_SUBJECT}'`),
  ],
  [
    create,
    body({ lifecycle: 'STRONG', frozen: true }),
    invalid('schema', 'schema must be provided when creating a frozen association'),
  ],
  [
    create,
    body(noSchema),
    error(409, 40907, "No active (non-deleted) version exists for subject 'none'"),
  ],
  [create, body({ schema: { schema: 'x' } }), error(422, 42201)],
  [
    create,
    body({ schema: { schema: '"int"', references: [{ name: 'x', subject: 'x', version: 1 }] } }),
    error(422, 42201),
  ],
  [
    create,
    { ...body(weak('s1')), resourceId: 'x'.repeat(2_001) },
    invalid('resourceId', 'exceeds max length of 2000'),
  ],
  [
    upsert,
    body({ subject: 'x'.repeat(2_001), schema }),
    invalid('subject', 'exceeds max length of 2000'),
  ],
  [create, body({ lifecycle: 'X' }), error(400, 400)],
  [create, body({ frozen: 1 }), error(400, 400)],
  [create, body({ schema: [] }), error(400, 400)],
  [create, { ...RESOURCE, associations: [1] }, error(400, 400)],
  [create, [], error(400, 400)],
  [
    upsert,
    { ...body(weak('s1')), resourceId: 'other' },
    invalid(
      'resourceId',
      'Resource ID in the path parameter does not match the resource ID in the request body',
    ),
  ],
  [upsert, body({}), invalid('subject', 'must be provided for WEAK associations')],
  [
    upsert,
    body({ schema, lifecycle: 'WEAK' }),
    invalid('lifecycle', 'cannot be WEAK when schema is provided'),
  ],
  [
    upsert,
    body({ schema, frozen: true }),
    invalid('frozen', 'cannot be true when creating via upsert; use create instead'),
  ],
  ['PATCH /associations', {}, error(405, 405)],
  ['GET /associations:batchGet', undefined, error(405, 405)],
] as const)('%s with %j is refused', async ([request, sent, answer]) => {
  const log = new MemorySchemaLog()
  const http = await started(log)
  const written = log.entries.length
  expect(await call(http, request as typeof create, sent)).toMatchObject(answer)
  expect(log.entries.length).toBe(written)
})

test.for([
  [
    { subject: 's2', lifecycle: 'STRONG' },
    invalid('subject', "subject of association cannot be changed from 's1' to 's2'"),
  ],
  [
    { lifecycle: 'STRONG', frozen: true },
    invalid('frozen', 'frozen attribute of association cannot be changed'),
  ],
  [
    { frozen: true },
    invalid('lifecycle', 'at least lifecycle or schema must be provided for update'),
  ],
  [{ schema }, invalid('lifecycle', 'cannot be WEAK when schema is provided')],
] as const)('a change of a weak association to %j is refused', async ([change, answer]) => {
  const http = await started()
  await call(http, create, body(weak('s1')))
  expect(await call(http, upsert, body(change))).toEqual(answer)
})

test('a frozen association does not change', async () => {
  const { http } = startRegistry()
  await call(http, create, body({ schema }))
  expect(await call(http, upsert, body({ lifecycle: 'WEAK' }))).toEqual(
    invalid('subject', `WEAK associations cannot use subject '${DEFAULT_SUBJECT}'`),
  )
  expect(await call(http, upsert, body({ lifecycle: 'STRONG', frozen: false }))).toEqual(
    invalid('frozen', 'frozen attribute of association cannot be changed'),
  )
})

test('a subject with versions of its own cannot become frozen', async () => {
  const { http } = startRegistry()
  const path = `POST /subjects/${encodeURIComponent(DEFAULT_SUBJECT)}/versions` as const
  await call(http, path, { schema: '"int"' })
  expect(await call(http, create, body({ schema: { schema: '"long"' } }))).toEqual(
    invalid(
      'frozen',
      'cannot create a frozen association when schemas already exist in the subject',
    ),
  )
  expect(await call(http, create, body({ schema }))).toMatchObject([200, {}])
})

test('nothing is associated in read-only mode, and aliases and contexts are followed', async () => {
  const http = await started()
  await call(http, 'PUT /config/a', { alias: 's1' })
  expect(await call(http, create, body(weak('a')))).toMatchObject([
    200,
    { associations: [{ subject: 's1' }] },
  ])
  await call(http, 'POST /subjects/:.ctx:s/versions', schema)
  const other = { ...body(weak('s')), resourceName: 'topic2', resourceId: 'id-2' }
  expect(await call(http, 'POST /contexts/.ctx/associations', other)).toMatchObject([
    200,
    { associations: [{ subject: ':.ctx:s' }] },
  ])
  expect(await call(http, 'GET /contexts/.ctx/associations/subjects/s')).toMatchObject([
    200,
    [{ subject: ':.ctx:s' }],
  ])
  await call(http, 'PUT /mode/s2', { mode: 'READONLY' })
  const readOnly = { ...body(weak('s2')), resourceName: 'topic3', resourceId: 'id-3' }
  expect(await call(http, create, readOnly)).toEqual(
    error(422, 42205, 'Subject s2 in context . is in read-only mode'),
  )
  await call(http, 'PUT /mode/s1', { mode: 'READONLY' })
  expect(await call(http, 'DELETE /associations/resources/id-1')).toMatchObject(error(422, 42205))
})

test('a subject that is read-only is associated as it is, whether it is named or not', async () => {
  const http = await started()
  await call(http, create, body(weak('s2')))
  await call(http, 'PUT /mode/s2', { mode: 'READONLY' })
  for (const subject of ['s2', undefined]) {
    const wish = { associationType: 'value', subject, lifecycle: 'STRONG' }
    expect(await call(http, upsert, body(wish))).toMatchObject(error(422, 42205))
  }
})

test('a batch has so much of schemas, however often it asks for one', async () => {
  const http = await started()
  const doc = 'x'.repeat(20_000)
  const large = { schema: JSON.stringify({ type: 'fixed', name: 'F', size: 1, doc }) }
  await call(http, 'POST /subjects/large/versions', large)
  await call(http, create, body(weak('large')))
  const requests = Array.from({ length: 1_000 }, () => ({ resourceId: 'id-1' }))
  const [status, answer] = await call(http, 'POST /associations:batchGet?includeSchemas=true', {
    requests,
  })
  const { results } = answer as { results: { error?: { error_code: number } }[] }
  expect([status, results.length]).toEqual([207, 1_000])
  const refused = results.filter((result) => result.error?.error_code === 413)
  expect(refused.length).toBeGreaterThan(100)
  expect(results.at(0)).toHaveProperty('result')
})

describe('batches', () => {
  const mutate = 'POST /associations:batchMutate'

  test('each resource has its own outcome, and what came before a failure stays', async () => {
    const http = await started()
    const operation = (opType: string, rest: object) => ({ opType, ...rest })
    const requests = [
      {
        ...RESOURCE,
        associations: [
          operation('CREATE', weak('s1', 'key')),
          operation('UPSERT', weak('s2')),
          operation('DELETE', { associationType: 'key' }),
        ],
      },
      {
        ...RESOURCE,
        resourceName: 'topic2',
        resourceId: 'id-2',
        associations: [operation('CREATE', weak('s1')), operation('CREATE', weak('none', 'key'))],
      },
      { ...RESOURCE, resourceName: '', associations: [operation('DELETE', {})] },
    ]
    const dryRun = { requests: requests.slice(0, 1) }
    expect(await call(http, `${mutate}?dryRun=true`, dryRun)).toEqual([
      207,
      { results: [{ result: { ...RESOURCE, ...TYPE } }] },
    ])
    const [, nothing] = await call(http, 'GET /associations/resources/id-1')
    expect(nothing).toEqual([])
    expect(await call(http, mutate, { requests })).toEqual([
      207,
      {
        results: [
          { result: { ...RESOURCE, ...TYPE, associations: [{ ...weak('s2'), frozen: false }] } },
          {
            error: {
              error_code: 40907,
              message: "No active (non-deleted) version exists for subject 'none'",
            },
          },
          {
            error: {
              error_code: 42212,
              message:
                "The association specified an invalid value for property: 'resourceName', detail: cannot be null or empty",
            },
          },
        ],
      },
    ])
    const questions = [
      { resourceId: 'id-1' },
      { resourceName: 'topic2', resourceNamespace: 'default', associationTypes: ['value'] },
      { resourceId: 'id-1', lifecycle: 'STRONG' },
      { resourceName: 'topic2' },
      {},
    ]
    const get = 'POST /associations:batchGet?includeSchemas=true'
    expect(await call(http, get, { requests: questions })).toMatchObject([
      207,
      {
        results: [
          { result: { ...RESOURCE, associations: [{ ...weak('s2'), schema: { version: 1 } }] } },
          { result: { resourceId: 'id-2', associations: [weak('s1')] } },
          { result: { resourceId: 'id-1' } },
          { error: { error_code: 42212 } },
          { error: { error_code: 42212 } },
        ],
      },
    ])
  })

  test.for([
    [{}, 42212],
    [{ requests: [] }, 42212],
    [{ requests: 'x' }, 400],
    [{ requests: [{ ...RESOURCE, associations: [{ opType: 'X' }] }] }, 400],
    [
      {
        requests: [
          {
            ...RESOURCE,
            associations: Array.from({ length: 1_001 }, () => ({ opType: 'DELETE' })),
          },
        ],
      },
      400,
    ],
  ] as const)('%j is refused', async ([sent, errorCode]) => {
    const { http } = startRegistry()
    const [, answer] = await call(http, mutate, sent)
    expect(answer).toMatchObject({ error_code: errorCode })
  })
})

test('schemas are listed by their associations', async () => {
  const http = await started()
  await call(http, create, body(weak('s1')))
  const listed = async (query: string) => {
    const [, schemas] = await call(http, `GET /schemas?${query}`)
    return (schemas as { subject: string; associations?: unknown[] }[]).map(
      ({ subject, associations = [] }) => [subject, associations.length],
    )
  }
  expect(await listed('')).toEqual([
    ['s1', 0],
    ['s2', 0],
  ])
  expect(await listed('associationType=value')).toEqual([['s1', 1]])
  expect(await listed('associationType=key')).toEqual([])
  expect(await listed('resourceType=topic&lifecycle=STRONG')).toEqual([])
  expect(await listed('lifecycle=NONE')).toEqual([['s2', 0]])
  expect(await listed('lifecycle=NONE&lifecycle=WEAK')).toEqual([
    ['s1', 1],
    ['s2', 0],
  ])
})

test('a registry that has not read an association yet asks the log before it says that there is none', async () => {
  const log = new MemorySchemaLog()
  const http = await started(log)
  const { http: other } = startRegistry(log)
  await call(other, 'GET /subjects')
  await call(http, create, body(weak('s1')))
  expect(await call(other, 'GET /associations/resources/default/topic1')).toMatchObject([
    200,
    [{ subject: 's1' }],
  ])
})

test('a registry without associations has none of their paths', async () => {
  const { http } = startRegistry(new MemorySchemaLog(), 8, { hasAssociations: false })
  for (const request of [create, 'GET /associations/resources/-/topic1'] as const) {
    expect(await call(http, request, undefined)).toMatchObject(error(404, 404))
  }
})
