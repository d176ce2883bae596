import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runAlone as run } from '../command/run-alone.test-fixture.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-schemas-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Folders `old` and `new` of schema files, in a folder of the test's own. */
const folders = async (name: string, old: Record<string, string>, next: Record<string, string>) => {
  const paths = [join(folder, name, 'old'), join(folder, name, 'new')] as const
  for (const [index, files] of [old, next].entries()) {
    const path = paths[index] ?? ''
    await mkdir(path, { recursive: true })
    for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text)
  }
  return paths
}

const ORDER = '{"type":"record","name":"Order","fields":[{"name":"id","type":"string"}]}'
const ORDER_NOTED = `{
  "type": "record",
  "name": "Order",
  "fields": [
    { "name": "id", "type": "string" },
    { "name": "note", "type": "string" }
  ]
}`

test('an incompatible file is told with its place, the reason and a patch', async () => {
  const [old, next] = await folders('plain', { 'o.avsc': ORDER }, { 'o.avsc': ORDER_NOTED })
  const { exitCode, stdout } = await run('schema', 'check', next, '--against', old)
  expect(exitCode).toBe(10)
  expect(stdout).toBe(`${join(next, 'o.avsc')}:6:5: error READER_FIELD_MISSING_DEFAULT_VALUE
  The field 'note' at path '/fields/1' in the new schema has no default value and is missing in the old schema
  level BACKWARD, version 1: the new schema reads old data
  cannot be read: {"id":"text"}
  fix: [{"op":"add","path":"/fields/1/default","value":""}]
1 checked, 1 errors, 0 warnings
`)
})

test('findings are JSON and SARIF as well', async () => {
  const [old, next] = await folders('json', { 'o.avsc': ORDER }, { 'o.avsc': ORDER_NOTED })
  const sarif = join(folder, 'out.sarif')
  const { stdout } = await run(
    'schema',
    'check',
    next,
    '--against',
    old,
    '-o',
    'json',
    '--sarif',
    sarif,
  )
  expect(JSON.parse(stdout)).toMatchObject([
    {
      subject: 'o',
      newPointer: '/fields/1',
      filePatch: [{ op: 'add', path: '/fields/1/default', value: '' }],
    },
  ])
  expect(JSON.parse(await readFile(sarif, 'utf8'))).toMatchObject({
    version: '2.1.0',
    runs: [
      {
        results: [
          {
            ruleId: 'READER_FIELD_MISSING_DEFAULT_VALUE',
            level: 'error',
            locations: [{ physicalLocation: { region: { startLine: 6, startColumn: 5 } } }],
          },
        ],
      },
    ],
  })
})

test('what is compatible is not an error, under the level that is asked for', async () => {
  const noted = ORDER_NOTED.replace(
    '"note", "type": "string"',
    '"note", "type": "string", "default": ""',
  )
  const [old, next] = await folders(
    'levels',
    { 'o.avsc': noted, 'p.proto': 'message M { int32 a = 1; }' },
    { 'o.avsc': ORDER, 'p.proto': 'message M { int64 a = 1; }', 'new.json': '{"type":"string"}' },
  )
  expect(await run('schema', 'check', next, '--against', old, '--level', 'full')).toMatchObject({
    exitCode: 0,
    stdout: '3 checked, 0 errors, 0 warnings\n',
  })
})

test.for([
  ['text that is not JSON', 'a.avsc', '{', 'INVALID_SCHEMA'],
  [
    'an unknown type',
    'a.avsc',
    '{"type":"record","name":"R","fields":[{"name":"x","type":"Y"}]}',
    'INVALID_SCHEMA',
  ],
  ['another schema type', 'o.proto', 'message M {}', 'INCOMPATIBLE'],
] as const)('%s is an error', async ([name, file, text, rule]) => {
  const [old, next] = await folders(name, { 'o.avsc': ORDER }, { [file]: text })
  const { exitCode, stdout } = await run('schema', 'check', next, '--against', old, '-o', 'json')
  expect([exitCode, JSON.parse(stdout)]).toMatchObject([10, [{ rule, severity: 'error' }]])
})

test('files refer to each other, on either side', async () => {
  const line = (...fields: readonly object[]): string =>
    JSON.stringify({ type: 'record', name: 'Line', namespace: 'shop', fields })
  const order = JSON.stringify({
    type: 'record',
    name: 'Order',
    namespace: 'shop',
    fields: [{ name: 'lines', type: { type: 'array', items: 'Line' } }],
  })
  const address = '{"$id":"https://shop/address.json","type":"object"}'
  const person = '{"type":"object","properties":{"home":{"$ref":"https://shop/address.json"}}}'
  const [old, next] = await folders(
    'references',
    {
      'line.avsc': line({ name: 'sku', type: 'string' }),
      'order.avsc': order,
      'address.json': address,
      'person.json': person,
      'money.proto': 'syntax = "proto3"; message Money { int64 cents = 1; }',
      'price.proto': 'syntax = "proto3"; import "money.proto"; message Price { Money net = 1; }',
    },
    {
      'line.avsc': line({ name: 'sku', type: 'string' }, { name: 'count', type: 'int' }),
      'order.avsc': order,
      'address.json': address.replace('"object"', '"string"'),
      'person.json': person,
      'money.proto': 'syntax = "proto3"; message Money { string cents = 1; }',
      'price.proto': 'syntax = "proto3"; import "money.proto"; message Price { Money net = 1; }',
    },
  )
  const { stdout } = await run('schema', 'check', next, '--against', old, '-o', 'json')
  const findings = JSON.parse(stdout) as { subject: string; rule: string; message: string }[]
  // What is wrong with a file is wrong with those that use it.
  expect(findings.map(({ subject, rule }) => [subject, rule])).toEqual([
    ['address', 'TYPE_CHANGED'],
    ['line', 'READER_FIELD_MISSING_DEFAULT_VALUE'],
    ['money', 'FIELD_SCALAR_KIND_CHANGED'],
    ['order', 'READER_FIELD_MISSING_DEFAULT_VALUE'],
    ['person', 'TYPE_CHANGED'],
    ['price', 'FIELD_SCALAR_KIND_CHANGED'],
    ['price', 'FIELD_NAMED_TYPE_CHANGED'],
  ])
})

test('files that use each other, and names that nothing defines, are errors', async () => {
  const uses = (name: string, other: string): string =>
    JSON.stringify({ type: 'record', name, fields: [{ name: 'x', type: other }] })
  const [old, next] = await folders(
    'circles',
    {},
    { 'a.avsc': uses('A', 'B'), 'b.avsc': uses('B', 'A'), 'c.avsc': uses('C', 'Missing') },
  )
  const { stdout, exitCode } = await run('schema', 'check', next, '--against', old, '-o', 'json')
  expect(exitCode).toBe(10)
  const findings = JSON.parse(stdout) as { subject: string; rule: string }[]
  expect(findings.map(({ subject, rule }) => [subject, rule])).toEqual([
    ['a', 'INVALID_SCHEMA'],
    ['b', 'INVALID_SCHEMA'],
    ['c', 'INVALID_SCHEMA'],
  ])
})

test('what no file defines is what the stored version refers to', async () => {
  const uses = (extra: readonly object[]): string =>
    JSON.stringify({
      type: 'record',
      name: 'Order',
      fields: [{ name: 'first', type: 'shop.Line' }, ...extra],
    })
  const line = '{"type":"record","name":"Line","namespace":"shop","fields":[]}'
  const references = [{ name: 'shop.Line', subject: 'line', version: 1 }]
  const answers: Readonly<Record<string, unknown>> = {
    '/config/order?defaultToGlobal=true': { compatibilityLevel: 'FULL' },
    '/subjects/order/versions': [1],
    '/subjects/order/versions/1?deleted=true': {
      subject: 'order',
      version: 1,
      id: 2,
      schema: uses([]),
      references,
    },
    '/subjects/line/versions/1?deleted=true': { subject: 'line', version: 1, id: 1, schema: line },
  }
  const server = createServer((request, response) =>
    response.end(JSON.stringify(answers[request.url ?? ''])),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const note = { name: 'note', type: 'string', default: '' }
  const [, next] = await folders('stored', {}, { 'order.avsc': uses([note]) })
  const argv = ['schema', 'check', next, '--registry', `http://127.0.0.1:${port}`]
  expect(await run(...argv)).toMatchObject({
    exitCode: 0,
    stdout: '1 checked, 0 errors, 0 warnings\n',
  })
  server.close()
})

describe('consumers', () => {
  /** A registry with one version of `o`, and groups that read it. */
  const startRegistry = async (consumers?: readonly object[]) => {
    const server = createServer((request, response) => {
      const version = { subject: 'o', version: 1, id: 1, schema: ORDER }
      const isCheck = request.url?.startsWith('/compatibility/') === true
      const answer = isCheck
        ? { is_compatible: true, ...(consumers === undefined ? {} : { consumers }) }
        : request.url?.startsWith('/config/') === true
          ? { compatibilityLevel: 'NONE' }
          : request.url === '/subjects/o/versions'
            ? [1]
            : version
      response.end(JSON.stringify(answer))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return { url: `http://127.0.0.1:${port}`, stop: () => server.close() }
  }
  const reader = { group: 'billing', members: 2, last_seen: '2026-01-01T00:00:00.000Z' }

  test('a group that a change would break is an error, whatever the level', async () => {
    const registry = await startRegistry([
      { ...reader, is_broken: true, messages: ['no note'] },
      { ...reader, group: 'search', is_broken: false, messages: [] },
    ])
    const [, next] = await folders('consumers', {}, { 'o.avsc': ORDER_NOTED })
    const argv = ['schema', 'check', next, '--registry', registry.url]
    expect(await run(...argv)).toMatchObject({ exitCode: 0 })
    const { exitCode, stdout } = await run(...argv, '--consumers')
    registry.stop()
    expect(exitCode).toBe(10)
    expect(stdout).toContain(
      'error CONSUMER_BROKEN\n  group billing (2 members, last seen 2026-01-01T00:00:00.000Z) could not read it: no note',
    )
    expect(stdout).not.toContain('search')
  })

  test('are not known to other registries, nor to a folder', async () => {
    const registry = await startRegistry()
    const [old, next] = await folders('unknown', {}, { 'o.avsc': ORDER })
    const argv = ['schema', 'check', next, '--consumers']
    const { stderr } = await run(...argv, '--registry', registry.url)
    registry.stop()
    expect(stderr).toContain('--consumers needs a registry of Fairlead')
    expect((await run(...argv, '--against', old)).stderr).toContain('choose one')
  })
})

test.for([
  [['--level', 'best'], '--level is one of NONE'],
  [['--against', '/does/not/exist'], 'no such file'],
  [['--subject', 's'], '--subject is for one file'],
] as const)('%j is refused', async ([argv, message]) => {
  const [, next] = await folders('wrong', {}, { 'a.avsc': '"int"', 'b.avsc': '"int"' })
  const { exitCode, stderr } = await run(
    'schema',
    'check',
    next,
    ...argv,
    '--registry',
    'http://127.0.0.1:1',
  )
  expect(exitCode).not.toBe(0)
  expect(stderr).toContain(message)
})
