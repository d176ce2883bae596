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
    return [response.statusCode, response.json<unknown>()] as const
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
