import { afterEach, describe, expect, test } from 'vitest'
import { MemorySchemaLog } from '../store/memory-schema-log.ts'
import { withoutContextPath } from './context-path.ts'
import { call, closeRegistries, startRegistry } from './registry.test-fixture.ts'

afterEach(closeRegistries)

const INT = { schema: '"int"' }
const LONG = { schema: '"long"' }

test.for([
  ['/contexts/.c/subjects', '/subjects?subjectPrefix=%3A.c%3A'],
  ['/contexts/.c/subjects?deleted=true', '/subjects?deleted=true&subjectPrefix=%3A.c%3A'],
  ['/contexts/c/subjects/s/versions?x=1', '/subjects/%3A.c%3As/versions?x=1'],
  ['/contexts/:.c:/subjects/s', '/subjects/%3A.c%3As'],
  ['/contexts/.c/subjects/%3A.d%3As', '/subjects/%3A.d%3As'],
  [
    '/contexts/.c/compatibility/subjects/s/versions/1',
    '/compatibility/subjects/%3A.c%3As/versions/1',
  ],
  ['/contexts/.c/config', '/config/%3A.c%3A'],
  ['/contexts/.c/mode/s', '/mode/%3A.c%3As'],
  ['/contexts/.c/schemas/ids/1', '/schemas/ids/1?subject=%3A.c%3A'],
  ['/contexts/.c/schemas/ids/1?subject=s', '/schemas/ids/1?subject=%3A.c%3As'],
  ['/contexts/./schemas/ids/1?a=b', '/schemas/ids/1?a=b'],
  ['/contexts/:.:/subjects', '/subjects'],
  ['/config/:.:?defaultToGlobal=true', '/config?defaultToGlobal=true'],
  ['/mode/%3A.%3a', '/mode'],
  ['/mode/:.:s', '/mode/:.:s'],
  ['/contexts/%E0%A4%A/subjects', '/contexts/%E0%A4%A/subjects'],
  ['/contexts', '/contexts'],
  ['/subjects/s', '/subjects/s'],
] as const)('%s is %s', ([given, rewritten]) => {
  expect(withoutContextPath(given)).toBe(rewritten)
})

describe('contexts', () => {
  test('have ids, subjects and versions of their own', async () => {
    const { http } = startRegistry()
    await call(http, 'POST /subjects/a/versions', INT)
    expect(await call(http, 'POST /contexts/.c/subjects/b/versions', LONG)).toMatchObject([
      200,
      { id: 1, version: 1 },
    ])
    expect(await call(http, 'GET /subjects')).toEqual([200, [':.c:b', 'a']])
    expect(await call(http, 'GET /contexts/.c/subjects')).toEqual([200, [':.c:b']])
    expect(await call(http, 'GET /subjects?subjectPrefix=:.:')).toEqual([200, ['a']])
    expect(await call(http, 'GET /contexts')).toEqual([200, ['.', '.c']])
    expect(await call(http, 'GET /schemas/ids/1')).toMatchObject([200, { schema: '"int"' }])
    expect(await call(http, 'GET /contexts/.c/schemas/ids/1')).toMatchObject([
      200,
      { schema: '"long"', subject: ':.c:b' },
    ])
  })

  test('the settings and the mode of the default context are those of the registry', async () => {
    const { http } = startRegistry()
    await call(http, 'PUT /config/:.:', { compatibility: 'FORWARD' })
    expect(await call(http, 'GET /config')).toEqual([200, { compatibilityLevel: 'FORWARD' }])
    expect(await call(http, 'DELETE /config/:.:')).toMatchObject([
      200,
      { compatibilityLevel: 'FORWARD' },
    ])
    expect(await call(http, 'GET /config/:.:')).toEqual([200, { compatibilityLevel: 'BACKWARD' }])
    await call(http, 'PUT /mode/:.:', { mode: 'READONLY' })
    expect(await call(http, 'POST /subjects/s/versions', INT)).toMatchObject([
      422,
      { error_code: 42205 },
    ])
    expect(await call(http, 'DELETE /mode/:.:')).toEqual([200, { mode: 'READONLY' }])
    expect(await call(http, 'GET /mode')).toEqual([200, { mode: 'READWRITE' }])
  })

  test('an id that the default context lacks is looked for in the others', async () => {
    const { http } = startRegistry()
    await call(http, 'POST /subjects/:.c:b/versions', LONG)
    expect(await call(http, 'GET /schemas/ids/1')).toMatchObject([200, { subject: ':.c:b' }])
    expect(await call(http, 'GET /schemas/ids/1?subject=:.d:')).toMatchObject([404, {}])
  })

  test('a reference without a context is to the context of its schema', async () => {
    const { http } = startRegistry()
    const address = { schema: JSON.stringify({ type: 'fixed', name: 'A', size: 2 }) }
    await call(http, 'POST /subjects/:.c:address/versions', address)
    const user = {
      schema: '["null","A"]',
      references: [{ name: 'A', subject: 'address', version: 1 }],
    }
    expect(await call(http, 'POST /subjects/user/versions', user)).toMatchObject([422, {}])
    expect(await call(http, 'POST /subjects/:.c:user/versions', user)).toMatchObject([
      200,
      { id: 2 },
    ])
    expect(await call(http, 'GET /subjects/:.c:address/versions/1/referencedby')).toEqual([
      200,
      [2],
    ])
    expect(await call(http, 'DELETE /subjects/:.c:address')).toMatchObject([
      422,
      { error_code: 42206 },
    ])
    await call(http, 'DELETE /subjects/:.c:user')
    for (const [query, ids] of [
      ['', []],
      ['?deleted=true', [2]],
    ] as const) {
      const path = `GET /subjects/:.c:address/versions/1/referencedby${query}` as const
      expect(await call(http, path)).toEqual([200, ids])
    }
  })

  test('settings and modes of a context hold for its subjects', async () => {
    const { http } = startRegistry()
    await call(http, 'POST /subjects/:.c:s/versions', INT)
    await call(http, 'PUT /config/:.c:', { compatibility: 'NONE' })
    const text = { schema: '"string"' }
    expect(await call(http, 'POST /subjects/:.c:s/versions', text)).toMatchObject([200, { id: 2 }])
    await call(http, 'PUT /mode/:.c:', { mode: 'READONLY' })
    expect(await call(http, 'POST /subjects/:.c:s/versions', LONG)).toMatchObject([
      422,
      { error_code: 42205, message: 'Subject :.c:s in context .c is in read-only mode' },
    ])
    expect(await call(http, 'POST /subjects/s/versions', LONG)).toMatchObject([200, {}])
    expect(await call(http, 'GET /config/:.c:s?defaultToGlobal=true')).toEqual([
      200,
      { compatibilityLevel: 'NONE' },
    ])
  })

  test('one that has schemas is not deleted', async () => {
    const { http } = startRegistry()
    await call(http, 'POST /subjects/:.c:s/versions', INT)
    await call(http, 'DELETE /subjects/:.c:s')
    expect(await call(http, 'DELETE /contexts/.c')).toMatchObject([422, { error_code: 42211 }])
    await call(http, 'DELETE /subjects/:.c:s?permanent=true')
    expect(await call(http, 'DELETE /contexts/.c')).toEqual([204, undefined])
  })

  test('an id is never given again, in any context', async () => {
    const log = new MemorySchemaLog()
    const { http } = startRegistry(log)
    await call(http, 'POST /subjects/:.c:s/versions', INT)
    await call(http, 'DELETE /subjects/:.c:s')
    await call(http, 'DELETE /subjects/:.c:s?permanent=true')
    // As after compaction, which leaves the last record of each key.
    const texts = new Map(log.entries.map((entry) => [String(entry.key), entry]))
    const compacted = new MemorySchemaLog()
    compacted.entries.push(
      ...[...texts.values()].map((entry, offset) => ({ ...entry, offset, expectedOffset: offset })),
    )
    const { http: fresh } = startRegistry(compacted)
    expect(await call(fresh, 'POST /subjects/:.c:s/versions', LONG)).toMatchObject([200, { id: 2 }])
  })
})

describe('profile 7', () => {
  test('answers with the members of Confluent 7, and 409 for what is incompatible', async () => {
    const { http } = startRegistry(new MemorySchemaLog(), 7)
    expect(await call(http, 'POST /subjects/s/versions', INT)).toEqual([200, { id: 1 }])
    expect(await call(http, 'GET /schemas/ids/1')).toEqual([200, INT])
    expect(await call(http, 'GET /subjects/s/versions/1')).toEqual([
      200,
      { subject: 's', version: 1, id: 1, schema: '"int"' },
    ])
    expect(await call(http, 'POST /subjects/s/versions', { schema: '"string"' })).toMatchObject([
      409,
      { error_code: 409 },
    ])
    const json = { schema: '{"type":"string"}', schemaType: 'JSON' }
    await call(http, 'POST /subjects/j/versions', json)
    expect(await call(http, 'GET /schemas/ids/2')).toEqual([200, { ...json }])
  })

  test('takes what Avro 1.11 takes', async () => {
    const field = { name: 'a', type: 'int', default: 'x' }
    const schema = JSON.stringify({ type: 'record', name: 'Ü', fields: [field] })
    const post = (profile: 7 | 8, query = '') => {
      const { http } = startRegistry(new MemorySchemaLog(), profile)
      return call(http, `POST /subjects/s/versions${query}`, { schema })
    }
    expect(await post(7)).toMatchObject([200, {}])
    expect(await post(7, '?normalize=true')).toMatchObject([422, { error_code: 42201 }])
    expect(await post(8)).toMatchObject([422, { error_code: 42201 }])
  })
})
