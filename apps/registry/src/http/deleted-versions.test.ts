import type { FastifyInstance } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { type Method, call, closeRegistries, startRegistry } from './registry.test-fixture.ts'

afterEach(closeRegistries)

const record = (...fields: readonly string[]) => ({
  schema: JSON.stringify({
    type: 'record',
    name: 'R',
    fields: fields.map((name) => ({ name, type: ['null', 'int'], default: null })),
  }),
})

/** The subject `all` has nothing but deleted versions; of `newest` the newer one is deleted. */
const startWithDeletedVersions = async (): Promise<FastifyInstance> => {
  const { http } = startRegistry()
  for (const subject of ['all', 'newest']) {
    await call(http, `POST /subjects/${subject}/versions`, record('a'))
    await call(http, `POST /subjects/${subject}/versions`, record('a', 'b'))
  }
  await call(http, 'DELETE /subjects/all')
  await call(http, 'DELETE /subjects/newest/versions/2')
  return http
}

test.for([
  ['GET /subjects/all/versions/1', 404, { error_code: 40401 }],
  ['GET /subjects/all/versions/latest', 404, { error_code: 40401 }],
  ['GET /subjects/all/versions/latest/schema', 404, { error_code: 40401 }],
  ['GET /subjects/all/versions/1?deleted=true', 200, { version: 1 }],
  ['GET /subjects/all/versions/9?deleted=true', 404, { error_code: 40402 }],
  [
    'GET /subjects/all/versions/latest?deleted=true',
    404,
    { error_code: 40402, message: 'Version -1 not found.' },
  ],
  ['GET /subjects/newest/versions/2', 404, { error_code: 40402 }],
  ['GET /subjects/newest/versions/2?deleted=true', 200, { version: 2 }],
  ['GET /subjects/newest/versions/latest', 200, { version: 1 }],
  ['GET /subjects/newest/versions/latest?deleted=true', 200, { version: 1 }],
  ['DELETE /subjects/newest/versions/latest?permanent=true', 404, { error_code: 40407 }],
  ['DELETE /subjects/all/versions/1', 404, { error_code: 40406 }],
  [
    'DELETE /subjects/all/versions/latest',
    404,
    { error_code: 40402, message: 'Version -1 not found.' },
  ],
] as const)('%s is %d %o', async ([request, status, body]) => {
  const http = await startWithDeletedVersions()
  const answer = await call(http, request satisfies `${Method} ${string}`)
  expect(answer).toMatchObject([status, body])
})

test('a deleted latest is the newest that is left', async () => {
  const http = await startWithDeletedVersions()
  expect(await call(http, 'DELETE /subjects/newest/versions/latest')).toEqual([200, 1])
})

describe('references', () => {
  const referring = (version: number) => ({
    schema: JSON.stringify({ type: 'record', name: 'S', fields: [{ name: 'r', type: 'R' }] }),
    references: [{ name: 'R', subject: 'base', version }],
  })

  test('a subject whose versions only refer to one another is deleted as a whole', async () => {
    const { http } = startRegistry()
    await call(http, 'PUT /config', { compatibility: 'NONE' })
    await call(http, 'POST /subjects/base/versions', record('a'))
    await call(http, 'POST /subjects/base/versions', referring(1))
    expect(await call(http, 'DELETE /subjects/base/versions/1')).toMatchObject([
      422,
      { error_code: 42206 },
    ])
    expect(await call(http, 'DELETE /subjects/base')).toEqual([200, [1, 2]])
  })

  test('a subject that another one refers to is not', async () => {
    const { http } = startRegistry()
    await call(http, 'POST /subjects/base/versions', record('a'))
    await call(http, 'POST /subjects/other/versions', referring(1))
    expect(await call(http, 'DELETE /subjects/base')).toMatchObject([422, { error_code: 42206 }])
  })

  test('deleted referrers are told to who asks for them, lower ids first', async () => {
    const { http } = startRegistry()
    await call(http, 'POST /subjects/base/versions', record('a'))
    await call(http, 'POST /subjects/base/versions', record('a', 'b'))
    await call(http, 'POST /subjects/second/versions', referring(2))
    await call(http, 'POST /subjects/first/versions', referring(1))
    await call(http, 'DELETE /subjects/first')
    const path = 'GET /subjects/base/versions/1/referencedby'
    expect(await call(http, path)).toEqual([200, []])
    expect(await call(http, `${path}?deleted=true`)).toEqual([200, [4]])
  })
})
