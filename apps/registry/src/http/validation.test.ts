import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { call, closeRegistries, startRegistry } from './registry.test-fixture.ts'

/** What Confluent 8 refuses in a new schema and 7 did not: a namespace, and a default. */
const DASHED = {
  schema: JSON.stringify({ type: 'record', name: 'R', namespace: 'a-b', fields: [] }),
}
const BAD_DEFAULT = {
  schema: JSON.stringify({
    type: 'record',
    name: 'D',
    fields: [{ name: 'f', type: 'int', default: 'x' }],
  }),
}
const REFUSED = [422, { error_code: 42201 }] as const

let http: FastifyInstance
/** A registry of today, on a topic that one of profile 7 wrote. */
beforeEach(async () => {
  const older = startRegistry(undefined, 7)
  await call(older.http, 'POST /subjects/dashed/versions', DASHED)
  await call(older.http, 'POST /subjects/default/versions', BAD_DEFAULT)
  http = startRegistry(older.log).http
})
afterEach(closeRegistries)

describe.for([
  ['dashed', DASHED, 1],
  ['default', BAD_DEFAULT, 2],
] as const)('a schema that could not be registered today (%s)', ([subject, body, id]) => {
  test('is found', async () => {
    expect(await call(http, `POST /subjects/${subject}`, body)).toMatchObject([200, { id }])
  })

  test('is registered already', async () => {
    const path = `POST /subjects/${subject}/versions` as const
    expect(await call(http, path, body)).toMatchObject([200, { id, version: 1 }])
  })

  test('is none of another subject, and of this one no more once it is deleted', async () => {
    expect(await call(http, 'POST /subjects/new/versions', body)).toMatchObject(REFUSED)
    await call(http, `DELETE /subjects/${subject}`)
    const path = `POST /subjects/${subject}/versions` as const
    expect(await call(http, path, body)).toMatchObject(REFUSED)
  })

  test('fails a check of compatibility', async () => {
    const path = `POST /compatibility/subjects/${subject}/versions` as const
    expect(await call(http, path, body)).toMatchObject(REFUSED)
  })

  test('is imported with its id', async () => {
    await call(http, 'PUT /mode/new?force=true', { mode: 'IMPORT' })
    const imported = { ...body, id, version: 3 }
    expect(await call(http, 'POST /subjects/new/versions', imported)).toMatchObject([
      200,
      { id, version: 3 },
    ])
  })

  test('is registered where the setting validateNewSchemas is false', async () => {
    await call(http, 'PUT /config/new', { validateNewSchemas: false })
    expect(await call(http, 'POST /subjects/new/versions', body)).toMatchObject([200, { id }])
  })
})

test('what is imported is not normalized, whoever asks for it', async () => {
  const property = (name: string) => ({ type: 'int', [name]: 1, a: 2 })
  const body = { schema: JSON.stringify(property('z')), id: 7, version: 1 }
  await call(http, 'PUT /config/new', { normalize: true })
  await call(http, 'PUT /mode/new?force=true', { mode: 'IMPORT' })
  await call(http, 'POST /subjects/new/versions?normalize=true', body)
  expect(await call(http, 'GET /subjects/new/versions/1')).toMatchObject([
    200,
    { id: 7, schema: body.schema },
  ])
})

test('what is no name is refused nevertheless', async () => {
  const dashedField = {
    schema: JSON.stringify({
      type: 'record',
      name: 'R',
      fields: [{ name: 'a-b', type: 'int' }],
    }),
  }
  await call(http, 'PUT /config/new', { validateNewSchemas: false })
  expect(await call(http, 'POST /subjects/new/versions', dashedField)).toMatchObject(REFUSED)
  expect(await call(http, 'POST /subjects/dashed', dashedField)).toMatchObject(REFUSED)
})

test('a schema is found also where what it refers to has been deleted', async () => {
  const target = { schema: JSON.stringify({ type: 'enum', name: 'E', symbols: ['A'] }) }
  const referring = {
    schema: JSON.stringify({ type: 'record', name: 'S', fields: [{ name: 'e', type: 'E' }] }),
    references: [{ name: 'E', subject: 'target', version: 1 }],
  }
  await call(http, 'POST /subjects/target/versions', target)
  await call(http, 'POST /subjects/referring/versions', referring)
  await call(http, 'DELETE /subjects/referring')
  await call(http, 'DELETE /subjects/target')
  expect(await call(http, 'POST /subjects/referring?deleted=true', referring)).toMatchObject([
    200,
    { version: 1 },
  ])
  expect(await call(http, 'POST /subjects/referring/versions', referring)).toMatchObject(REFUSED)
})
