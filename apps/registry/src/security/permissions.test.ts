import { createHash } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import type { LogEntry } from '@fairlead/schemas'
import { closeRegistries, startRegistry } from '../http/registry.test-fixture.ts'
import { MemorySchemaLog } from '../store/memory-schema-log.ts'
import type { LogPage } from '../store/schema-log.ts'
import { Authenticator } from './authenticator.ts'
import type { User } from './users.ts'

afterEach(closeRegistries)

const user = (name: string, permissions: User['permissions']): User => ({
  name,
  password: undefined,
  token: `sha256:${createHash('sha256').update(name).digest('hex')}`,
  permissions,
})

/** Each one's token is the name. */
const USERS = [
  user('root', [{ subjects: '*', roles: ['read', 'write', 'delete', 'config', 'admin'] }]),
  user('ana', [{ subjects: 'orders-*', roles: ['read', 'write', 'config'] }]),
  user('writer', [
    { subjects: 'orders-*', roles: ['write'] },
    { subjects: ':.c:orders-*', roles: ['write'] },
  ]),
  user('both', [
    { subjects: 'orders-*', roles: ['read', 'write'] },
    { subjects: ':.c:orders-x', roles: ['read', 'write'] },
  ]),
  user('eve', []),
]

/** The log of another process, which reads nothing before its end was asked for so many times. */
class LateLog extends MemorySchemaLog {
  override readonly entries: LogEntry[]
  readonly #released = Promise.withResolvers<void>()
  #asksLeft: number

  constructor(log: MemorySchemaLog, asks: number) {
    super()
    this.entries = log.entries
    this.#asksLeft = asks
  }

  override async endOffset(): Promise<number> {
    const offset = await super.endOffset()
    this.#asksLeft -= 1
    if (this.#asksLeft > 0) return offset
    this.#released.resolve()
    this.wake()
    return offset
  }

  override async read(fromOffset: number, signal: AbortSignal): Promise<LogPage> {
    await this.#released.promise
    return super.read(fromOffset, signal)
  }
}

const started = (log: MemorySchemaLog) => {
  const audit = { info: () => undefined }
  const guard = { authenticator: new Authenticator(USERS), realm: 'test', audit }
  const { http } = startRegistry(log, 8, { guard })
  return async (name: string, request: string, body?: object) => {
    const [method = 'GET', url = '/'] = request.split(' ')
    const response = await http.inject({
      method: method as 'GET',
      url,
      headers: {
        authorization: `Bearer ${name}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    })
    const answer: unknown = response.body === '' ? undefined : response.json()
    return [response.statusCode, answer] as const
  }
}

/** `asecret` and `orders-a` with id 1, `secret` with id 2. */
const filled = async (log: MemorySchemaLog = new MemorySchemaLog()) => {
  const ask = started(log)
  for (const [subject, schema] of [
    ['asecret', '"int"'],
    ['orders-a', '"int"'],
    ['secret', '"long"'],
  ]) {
    await ask('root', `POST /subjects/${subject}/versions`, { schema })
  }
  return ask
}

describe('a registry that has not read what was written', () => {
  test.for([
    ['eve', 'GET /schemas/ids/1'],
    ['ana', 'GET /schemas/ids/2'],
    ['ana', 'GET /subjects/orders-alias/versions/latest'],
    ['ana', 'GET /subjects/orders-alias/versions'],
    ['ana', 'POST /subjects/orders-alias'],
    ['ana', 'GET /subjects/orders-alias/metadata'],
    ['ana', 'POST /compatibility/subjects/orders-alias/versions'],
    ['ana', 'POST /subjects/orders-alias/versions'],
  ] as const)('at its start tells %s nothing: %s', async ([name, request]) => {
    const log = new MemorySchemaLog()
    const ask = await filled(log)
    await ask('root', 'PUT /config/orders-alias', { alias: 'secret' })
    // The first is the start itself, the second the request.
    const late = started(new LateLog(log, 2))
    const body = request.startsWith('POST') ? { schema: '"long"' } : undefined
    expect((await late(name, request, body))[0]).toBe(403)
  })

  test.for(['GET /schemas/ids/3', 'GET /schemas/ids/3/subjects', 'GET /schemas/ids/3/schema'])(
    'tells nobody what another has just written: %s',
    async (request) => {
      const log = new MemorySchemaLog()
      const ask = await filled(log)
      const late = started(new LateLog(log, 1))
      expect((await late('ana', 'GET /schemas/ids/1'))[0]).toBe(200)
      await ask('root', 'POST /subjects/secret-b/versions', { schema: '"string"' })
      expect((await late('ana', request))[0]).toBe(403)
      expect((await late('root', request))[0]).toBe(200)
    },
  )

  test('answers who may read at its start', async () => {
    const log = new MemorySchemaLog()
    await filled(log)
    const late = started(new LateLog(log, 2))
    expect(await late('ana', 'GET /schemas/ids/1')).toMatchObject([200, { subject: 'orders-a' }])
  })
})

describe('answers have only what the user may read', () => {
  test.for([
    ['GET /schemas/ids/1/subjects', ['orders-a']],
    ['GET /schemas/ids/1/versions', [{ subject: 'orders-a', version: 1 }]],
    ['GET /subjects?offset=0&limit=1', ['orders-a']],
    ['GET /subjects?offset=1&limit=1', []],
  ] as const)('%s', async ([request, expected]) => {
    const ask = await filled()
    expect(await ask('ana', request)).toEqual([200, expected])
  })

  test.for(['GET /schemas/ids/1', 'GET /schemas/ids/1?fetchMaxId=true'])(
    '%s names a subject of theirs',
    async (request) => {
      const ask = await filled()
      expect(await ask('ana', request)).toMatchObject([200, { subject: 'orders-a' }])
      expect(await ask('root', request)).toMatchObject([200, { subject: 'asecret' }])
    },
  )

  test('by GUID', async () => {
    const ask = await filled()
    const [, { guid }] = (await ask('ana', 'GET /schemas/ids/1')) as [number, { guid: string }]
    const request = `GET /schemas/guids/${guid}`
    expect(await ask('ana', request)).toMatchObject([200, { subject: 'orders-a' }])
    await ask('root', 'POST /subjects/:.c:secret/versions', { schema: '"int"' })
    expect((await ask('ana', `${request}/ids`))[1]).toEqual([{ context: '.', id: 1 }])
    expect((await ask('root', `${request}/ids`))[1]).toHaveLength(2)
  })

  test('pages of schemas have no holes', async () => {
    const ask = await filled()
    const [, first] = await ask('ana', 'GET /schemas?offset=0&limit=1')
    expect(first).toMatchObject([{ subject: 'orders-a' }])
  })

  test('what consumers read with is reported to the subjects of theirs', async () => {
    const ask = await filled()
    const report = { schema: '"int"', group: 'g', member: 'm' }
    expect(await ask('ana', 'POST /readers/ids/1', report)).toEqual([
      200,
      { subjects: ['orders-a'] },
    ])
  })
})

test('an alias of theirs is told, and no other', async () => {
  const ask = await filled()
  await ask('root', 'PUT /config/orders-alias', { alias: 'orders-a' })
  await ask('root', 'PUT /config/other-alias', { alias: 'orders-a' })
  const [, schemas] = await ask('ana', 'GET /schemas?aliases=true')
  expect(schemas).toMatchObject([{ subject: 'orders-a', aliases: ['orders-alias'] }])
})

test('who has no permission is not told which ids exist', async () => {
  const ask = await filled()
  expect((await ask('eve', 'GET /schemas/ids/1'))[0]).toBe(403)
  expect((await ask('eve', 'GET /schemas/ids/99'))[0]).toBe(403)
  expect((await ask('ana', 'GET /schemas/ids/99'))[0]).toBe(404)
})

test('who may write may read, and nothing else', async () => {
  const ask = await filled()
  expect((await ask('writer', 'GET /subjects/orders-a/versions/latest'))[0]).toBe(200)
  expect((await ask('writer', 'POST /subjects/orders-a/versions', { schema: '' }))[0]).toBe(200)
  expect((await ask('writer', 'GET /subjects/secret/versions/latest'))[0]).toBe(403)
  expect((await ask('writer', 'DELETE /subjects/orders-a'))[0]).toBe(403)
})

test('behind an alias, references are to the context of the other subject', async () => {
  const ask = await filled()
  await ask('root', 'PUT /config/orders-al', { alias: ':.c:orders-x' })
  await ask('root', 'POST /subjects/:.c:orders-z/versions', { schema: '"int"' })
  const references = [{ name: 'z', subject: 'orders-z', version: 1 }]
  const registering = [
    'POST /subjects/orders-al/versions',
    { schema: '"int"', references },
  ] as const
  expect((await ask('both', ...registering))[0]).toBe(403)
  expect((await ask('writer', ...registering))[0]).toBe(200)
})

test('tags take what a registration takes, and tell nothing of what they refer to', async () => {
  const ask = await filled()
  const tags = (subject: string) => `POST /subjects/${subject}/versions/latest/tags`
  expect((await ask('eve', tags('orders-a'), {}))[0]).toBe(403)
  expect((await ask('ana', tags('secret'), {}))[0]).toBe(403)
  expect((await ask('writer', tags('orders-a'), {}))[0]).toBe(200)
  const secret = { type: 'record', name: 'Secret', fields: [], 'confluent:tags': ['PII'] }
  await ask('root', 'POST /subjects/secret-r/versions', { schema: JSON.stringify(secret) })
  await ask('root', 'POST /subjects/orders-r/versions', {
    schema: JSON.stringify({
      type: 'record',
      name: 'Order',
      'confluent:tags': ['ORDER'],
      fields: [{ name: 'secret', type: 'Secret' }],
    }),
    references: [{ name: 'Secret', subject: 'secret-r', version: 1 }],
  })
  const found = async (name: string) => {
    const [, answer] = await ask(name, 'GET /subjects/orders-r/versions/1?findTags=*')
    const { schemaTags } = answer as { schemaTags: { tags: string[] }[] }
    return schemaTags.flatMap((each) => each.tags)
  }
  expect(await found('root')).toEqual(['ORDER', 'PII'])
  expect(await found('ana')).toEqual(['ORDER'])
})

test('tags of what a reference refers to are told to whom may read that', async () => {
  const ask = await filled()
  const record = (name: string, type: unknown) =>
    JSON.stringify({
      type: 'record',
      name,
      'confluent:tags': [name],
      fields: [{ name: 'f', type }],
    })
  const registering = (subject: string, schema: string, ...references: object[]) =>
    ask('root', `POST /subjects/${subject}/versions`, { schema, references })
  await registering('secret-r', record('Secret', 'int'))
  const secret = { name: 'Secret', subject: 'secret-r', version: 1 }
  await registering('orders-r', record('Order', 'Secret'), secret)
  const order = { name: 'Order', subject: 'orders-r', version: 1 }
  await registering('orders-s', record('Orders', 'Order'), order)
  const [, answer] = await ask('ana', 'GET /subjects/orders-s/versions/1?findTags=*')
  const { schemaTags } = answer as { schemaTags: { tags: string[] }[] }
  expect(schemaTags.flatMap((each) => each.tags)).toEqual(['Orders'])
})

describe('associations', () => {
  const of = (resourceName: string, wish: object) => ({
    resourceName,
    resourceNamespace: 'default',
    resourceId: `id-${resourceName}`,
    associations: [{ associationType: 'value', ...wish }],
  })
  const weak = (subject: string) => ({ subject, lifecycle: 'WEAK' })

  test.for([
    ['nobody associates without permissions', 'eve', of('orders-t', weak('orders-a')), 403],
    ['the subject of the topic takes settings', 'writer', of('orders-t', weak('orders-a')), 403],
    ['nor is a topic of others redirected', 'ana', of('payments', weak('orders-a')), 403],
    ['the other subject takes writing', 'ana', of('orders-t', weak('secret')), 403],
    ['and so does what an alias leads to', 'ana', of('orders-t', weak('orders-al')), 403],
    ['refusals do not tell what there is', 'ana', of('orders-t', weak('secret-none')), 403],
    [
      'a frozen one takes writing in its own context',
      'ana',
      of('orders-t', { schema: { schema: '"int"' } }),
      403,
    ],
    ['who has both may', 'ana', of('orders-t', weak('orders-a')), 200],
  ] as const)('%s: %s', async ([, name, body, status]) => {
    const ask = await filled()
    await ask('root', 'PUT /config/orders-al', { alias: 'secret' })
    expect((await ask(name, 'POST /associations', body))[0]).toBe(status)
    const put = `PUT /associations/resources/${body.resourceId}`
    expect((await ask(name, put, body))[0]).toBe(status)
    const operation = { ...body.associations[0], opType: 'CREATE' }
    const requests = [{ ...body, associations: [operation] }]
    const [batchStatus, answer] = await ask(name, 'POST /associations:batchMutate', { requests })
    expect(batchStatus).toBe(207)
    const [result] = (answer as { results: { error?: { error_code: number } }[] }).results
    expect(result?.error?.error_code ?? 200).toBe(status)
  })

  test('an association of another topic is not changed under the name of theirs', async () => {
    const ask = await filled()
    await ask('root', 'POST /associations', of('payments', weak('orders-a')))
    const put = 'PUT /associations/resources/id-payments'
    const strong = {
      ...of('orders-t', { subject: 'orders-a', lifecycle: 'STRONG' }),
      resourceId: 'id-payments',
    }
    expect(await ask('ana', put, strong)).toMatchObject([403, {}])
    expect((await ask('root', 'GET /associations/resources/id-payments'))[1]).toMatchObject([
      { lifecycle: 'WEAK' },
    ])
  })

  test('references of their schemas take reading', async () => {
    const ask = await filled()
    await ask('root', 'POST /subjects/orders-s/versions', { schema: '"int"' })
    const strong = { subject: 'orders-s', lifecycle: 'STRONG' }
    expect((await ask('ana', 'POST /associations', of('orders-t', strong)))[0]).toBe(200)
    const schema = {
      schema: '"int"',
      references: [{ name: 'secret', subject: 'secret', version: 1 }],
    }
    const put = of('orders-t', { schema })
    expect((await ask('ana', 'PUT /associations/resources/id-orders-t', put))[0]).toBe(403)
  })

  test('are listed, and removed, as far as the user may', async () => {
    const ask = await filled()
    await ask('root', 'POST /associations', of('orders-t', weak('secret')))
    await ask('root', 'POST /associations', of('orders-u', weak('orders-a')))
    await ask('root', 'POST /associations', of('payments', weak('orders-a')))
    expect((await ask('root', 'GET /associations/resources/-/-'))[1]).toHaveLength(3)
    expect((await ask('ana', 'GET /associations/resources/-/-'))[1]).toHaveLength(2)
    expect((await ask('eve', 'GET /associations/resources/-/-'))[1]).toEqual([])
    expect((await ask('ana', 'GET /associations/resources/id-orders-t'))[1]).toEqual([])
    expect((await ask('ana', 'GET /associations/subjects/secret'))[0]).toBe(403)
    const requests = [{ resourceId: 'id-orders-t' }]
    expect((await ask('ana', 'POST /associations:batchGet', { requests }))[1]).toEqual({
      results: [{ result: { resourceId: 'id-orders-t', resourceType: 'topic' } }],
    })
    const remove = async (name: string, id: string) =>
      (await ask(name, `DELETE /associations/resources/${id}`))[0]
    expect(await remove('ana', 'id-orders-t')).toBe(404)
    expect(await remove('writer', 'id-orders-u')).toBe(403)
    expect(await remove('ana', 'id-payments')).toBe(403)
    expect(await remove('ana', 'id-orders-u?cascadeLifecycle=true')).toBe(403)
    expect(await remove('ana', 'id-orders-u')).toBe(204)
  })
})
