import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { RegistryConfig } from '../config.ts'
import { closeRegistries, startRegistry } from '../http/registry.test-fixture.ts'
import { MemorySchemaLog } from '../store/memory-schema-log.ts'
import { Authenticator, hashedPassword } from './authenticator.ts'
import { configuredGuard } from './configured-guard.ts'
import { RateLimits } from './rate-limits.ts'
import { type User, isAllowed, readUsers } from './users.ts'

afterEach(closeRegistries)

const tokenOf = (token: string): string =>
  `sha256:${createHash('sha256').update(token).digest('hex')}`
const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`

/** At once: whoever looks at the file sees no half of it. */
const replaceFile = async (file: string, text: string): Promise<void> => {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

let users: readonly User[]
beforeAll(async () => {
  const user = (name: string, permissions: User['permissions'], password?: string): User => ({
    name,
    password,
    token: tokenOf(`${name}-token`),
    permissions,
  })
  users = [
    user('root', [{ subjects: '*', roles: ['read', 'write', 'delete', 'config', 'admin'] }]),
    user(
      'ana',
      [{ subjects: 'orders-*', roles: ['read', 'write'] }],
      await hashedPassword('sesame'),
    ),
    user('cfg', [{ subjects: 'orders-*', roles: ['read', 'config'] }]),
    user('eve', []),
  ]
})

const ROOT = 'Bearer root-token'
const ANA = 'Bearer ana-token'
const EVE = 'Bearer eve-token'
const INT = { schema: '"int"' }

/** A registry with `orders-a` (id 1) and `secret` (id 2). */
const guarded = async (limits?: RateLimits) => {
  const audited: object[] = []
  const authenticator = new Authenticator(users)
  const audit = { info: (fields: object) => audited.push(fields) }
  const guard = { authenticator, realm: 'test', audit }
  const { http } = startRegistry(new MemorySchemaLog(), 8, { guard, limits })
  const ask = async (authorization: string | undefined, request: string, body?: object) => {
    const [method = 'GET', url = '/'] = request.split(' ')
    const response = await http.inject({
      method: method as 'GET',
      url,
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    })
    return [response.statusCode, response.json<unknown>(), response.headers] as const
  }
  await ask(ROOT, 'POST /subjects/orders-a/versions', INT)
  await ask(ROOT, 'POST /subjects/secret/versions', { schema: '"long"' })
  return { ask, audited, authenticator }
}

describe('who asks', () => {
  test.for([
    ['nobody', undefined],
    ['a wrong password', basic('ana', 'sesam')],
    ['an unknown name', basic('bob', 'sesame')],
    ['a user without a password', basic('eve', '')],
    ['an unknown token', 'Bearer x'],
    ['another scheme', 'Digest x'],
    ['no scheme', 'sesame'],
    ['too much', `Basic ${'A'.repeat(10_000)}`],
  ] as const)('%s is 401', async ([, authorization]) => {
    const { ask } = await guarded()
    const [status, body, headers] = await ask(authorization, 'GET /subjects')
    expect([status, body]).toEqual([401, { error_code: 401, message: 'Unauthorized' }])
    expect(headers['www-authenticate']).toBe('Basic realm="test"')
  })

  test('a right password is let in, and the second time without hashing it', async () => {
    const { ask } = await guarded()
    const asking = () => ask(basic('ana', 'sesame'), 'GET /subjects')
    const answers = await Promise.all(Array.from({ length: 20 }, asking))
    expect(new Set([...answers, await asking()].map(([status]) => status))).toEqual(new Set([200]))
  })
})

describe('a file of users that has changed', () => {
  test('lets in new users, and those no more who are gone or have another password', async () => {
    const { ask, authenticator } = await guarded()
    const byPassword = basic('ana', 'sesame')
    expect((await ask(byPassword, 'GET /subjects'))[0]).toBe(200)
    const [ana] = users.filter(({ name }) => name === 'ana')
    if (ana === undefined) throw new Error('ana is a user')
    authenticator.replaceUsers([
      { ...ana, password: await hashedPassword('open'), token: undefined },
      { ...ana, name: 'new', token: tokenOf('new-token') },
    ])
    expect((await ask(byPassword, 'GET /subjects'))[0]).toBe(401)
    expect((await ask(ANA, 'GET /subjects'))[0]).toBe(401)
    expect((await ask(basic('ana', 'open'), 'GET /subjects'))[0]).toBe(200)
    expect((await ask('Bearer new-token', 'GET /subjects'))[0]).toBe(200)
  })

  test('is followed; one that is broken leaves the users as they were', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fairlead-users-'))
    const file = join(folder, 'users.json')
    const failures: object[] = []
    const write = (name: string) =>
      replaceFile(
        file,
        JSON.stringify({ users: [{ name, token: tokenOf(name), permissions: [] }] }),
      )
    await write('first')
    const config = {
      'authentication.method': 'BASIC',
      'authentication.users.file': file,
      'authentication.realm': 'r',
    } as RegistryConfig
    const logger = { info: () => undefined, error: (fields: object) => failures.push(fields) }
    const configured = await configuredGuard(config, logger, 5)
    const known = (token: string) =>
      configured?.guard.authenticator.knownUserOf(`Bearer ${token}`)?.name
    try {
      expect(known('first')).toBe('first')
      await write('second')
      await expect.poll(() => known('second')).toBe('second')
      expect(known('first')).toBeUndefined()
      await replaceFile(file, '{')
      await expect.poll(() => failures.length).toBe(1)
      expect(known('second')).toBe('second')
    } finally {
      await configured?.files.close()
      await rm(folder, { recursive: true })
    }
  })
})

test('a name that is not there takes as long as one that is', async () => {
  const authenticator = new Authenticator(users)
  const timeOf = async (name: string): Promise<number> => {
    const startMs = performance.now()
    await authenticator.userOf(basic(name, `wrong ${startMs}`))
    return performance.now() - startMs
  }
  const times = { ana: [] as number[], nobody: [] as number[] }
  for (let round = 0; round < 9; round += 1) {
    times.ana.push(await timeOf('ana'))
    times.nobody.push(await timeOf('nobody'))
  }
  const median = (all: number[]): number => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0
  // Without the work it is some hundredths: a machine with other work blurs no such difference.
  expect(median(times.nobody)).toBeGreaterThan(median(times.ana) / 4)
})

describe('who asks too often', () => {
  const limits = () => new RateLimits({ perSecond: 1_000, perClientPerSecond: 5, nowMs: () => 0 })

  test('is 429 and told when to come again; others are served', async () => {
    const { ask } = await guarded(limits())
    const answers = []
    for (let count = 0; count < 8; count += 1) answers.push(await ask(ANA, 'GET /subjects'))
    expect(answers.map(([status]) => status)).toEqual([200, 200, 200, 200, 200, 429, 429, 429])
    const [, body, headers] = answers[7] ?? []
    expect(body).toEqual({ error_code: 429, message: 'Too many requests: try again later' })
    expect(headers?.['retry-after']).toBe('1')
    expect((await ask(EVE, 'GET /schemas/types'))[0]).toBe(200)
  })

  test('while guessing passwords, is stopped by address, and keeps out nobody who is known', async () => {
    const { ask } = await guarded(limits())
    const statuses: number[] = []
    for (let count = 0; count < 8; count += 1) {
      statuses.push((await ask(basic(`guess-${count}`, 'x'), 'GET /subjects'))[0])
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429])
    expect((await ask(ANA, 'GET /subjects'))[0]).toBe(200)
  })

  test('is counted by address where there are no users', async () => {
    const { http } = startRegistry(new MemorySchemaLog(), 8, { limits: limits() })
    const statuses: number[] = []
    for (let count = 0; count < 7; count += 1) {
      statuses.push((await http.inject({ method: 'GET', url: '/subjects' })).statusCode)
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429])
  })
})

describe('what a user may do', () => {
  test.for([
    ['POST /subjects/orders-b/versions', INT, 200],
    ['POST /subjects/orders-a', INT, 200],
    ['GET /subjects/orders-a/versions/latest', undefined, 200],
    ['POST /compatibility/subjects/orders-a/versions', INT, 200],
    ['GET /schemas/ids/1', undefined, 200],
    ['GET /schemas/ids/99', undefined, 404],
    ['GET /schemas/types', undefined, 200],
    ['GET /schemas/ids/2', undefined, 403],
    ['GET /schemas/ids/2/subjects', undefined, 403],
    ['POST /subjects/secret/versions', INT, 403],
    ['GET /subjects/secret/versions/latest', undefined, 403],
    ['GET /subjects/:.:secret/versions/latest', undefined, 403],
    ['GET /contexts/:.:/subjects/secret/versions/latest', undefined, 403],
    ['POST /subjects/secret', { schema: '"long"' }, 403],
    ['POST /compatibility/subjects/secret/versions', INT, 403],
    ['DELETE /subjects/orders-a', undefined, 403],
    ['PUT /config/orders-a', { compatibility: 'NONE' }, 403],
    ['PUT /config', { compatibility: 'NONE' }, 403],
    ['PUT /mode/orders-a', { mode: 'READONLY' }, 403],
    ['DELETE /contexts/.c', undefined, 403],
    ['GET /contexts', undefined, 403],
    ['POST /readers/ids/1', { ...INT, group: 'g', member: 'm' }, 200],
    ['POST /readers/ids/2', { ...INT, group: 'g', member: 'm' }, 403],
    ['GET /readers/subjects/orders-a', undefined, 200],
    ['GET /readers/subjects/secret', undefined, 403],
  ] as const)('reader and writer of orders-*: %s', async ([request, body, status]) => {
    const { ask } = await guarded()
    expect((await ask(ANA, request, body))[0]).toBe(status)
  })

  test('lists have what the user may read', async () => {
    const { ask } = await guarded()
    expect((await ask(ANA, 'GET /subjects'))[1]).toEqual(['orders-a'])
    expect((await ask(ANA, 'GET /schemas'))[1]).toMatchObject([{ subject: 'orders-a' }])
    expect((await ask(EVE, 'GET /subjects'))[1]).toEqual([])
  })

  test('neither a reference nor an alias leads to what may not be read', async () => {
    const { ask } = await guarded()
    const references = [{ name: 'x', subject: 'secret', version: 1 }]
    const registering = { ...INT, references }
    expect((await ask(ANA, 'POST /subjects/orders-c/versions', registering))[0]).toBe(403)
    await ask(ROOT, 'PUT /config/orders-alias', { alias: 'secret' })
    expect((await ask(ANA, 'GET /subjects/orders-alias/versions/latest'))[0]).toBe(403)
    expect((await ask(ROOT, 'GET /subjects/orders-alias/versions/latest'))[0]).toBe(200)
    const config = 'PUT /config/orders-a'
    expect((await ask('Bearer cfg-token', config, { alias: 'orders-b' }))[0]).toBe(200)
    expect((await ask('Bearer cfg-token', config, { alias: 'secret' }))[0]).toBe(403)
  })

  test('writes and refusals are in the audit log, with who and what', async () => {
    const { ask, audited } = await guarded()
    await ask(ANA, 'GET /subjects')
    await ask(ANA, 'DELETE /subjects/secret')
    expect(audited).toHaveLength(3)
    expect(audited[2]).toMatchObject({
      audit: true,
      user: 'ana',
      method: 'DELETE',
      route: '/subjects/:subject',
      parameters: { subject: 'secret' },
      status: 403,
    })
  })

  test.for([
    ['*', undefined, true],
    ['a-*', 'a-b', true],
    ['a-*', 'b', false],
    ['a-*', undefined, false],
    ['a', 'a', true],
    ['a', 'ab', false],
  ] as const)('%s covers %s: %s', ([subjects, subject, expected]) => {
    const permissions = [{ subjects, roles: ['read' as const] }]
    const user: User = { name: 'u', password: undefined, token: undefined, permissions }
    expect(isAllowed(user, 'read', subject)).toBe(expected)
    expect(isAllowed(user, 'write', subject)).toBe(false)
  })
})

test.for([
  ['{', 'users in'],
  ['{}', 'users must be a list'],
  ['{"users":[{}]}', 'users[0].name is missing'],
  ['{"users":[{"name":"a","password":"plain","permissions":[]}]}', 'must be scrypt:'],
  ['{"users":[{"name":"a","token":"plain","permissions":[]}]}', 'must be sha256:'],
  ['{"users":[{"name":"a"}]}', 'users[0].permissions must be a list'],
  ['{"users":[{"name":"a","permissions":[{"subjects":"a*b","roles":[]}]}]}', 'at its end only'],
  ['{"users":[{"name":"a","permissions":[{"subjects":"a","roles":["own"]}]}]}', 'a role is one of'],
  ['{"users":[{"name":"a","permissions":[]},{"name":"a","permissions":[]}]}', 'is there twice'],
] as const)('a file %s is refused: %s', async ([text, message]) => {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-users-'))
  try {
    await writeFile(join(folder, 'users.json'), text)
    await expect(readUsers(join(folder, 'users.json'))).rejects.toThrow(message)
  } finally {
    await rm(folder, { recursive: true })
  }
})
