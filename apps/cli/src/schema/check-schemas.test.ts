import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { COMMANDS } from '../commands.ts'
import { runCommand } from '../command/run-command.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-schemas-'))
})
afterAll(() => rm(folder, { recursive: true }))

const run = async (...argv: string[]) => {
  let [stdout, stderr] = ['', '']
  const exitCode = await runCommand(COMMANDS, argv, {
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
    ask: undefined,
    env: {},
    signal: new AbortController().signal,
  })
  return { exitCode, stdout, stderr }
}

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

test('types are declared once each, as our serde reads the data', async () => {
  const schema = {
    type: 'record',
    name: 'Order',
    namespace: 'shop',
    doc: 'What was\n bought.',
    fields: [
      { name: 'id', type: 'long' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
      {
        name: 'status',
        type: ['null', { type: 'enum', name: 'Status', symbols: ['OPEN', 'PAID'] }],
      },
      { name: 'lines', type: { type: 'array', items: ['null', 'string'] } },
      { name: 'labels', type: { type: 'map', values: 'double' } },
      { name: 'parent', type: ['null', 'Order'] },
      { name: 'raw', type: 'bytes' },
    ],
  }
  const [, next] = await folders(
    'types',
    {},
    { 'order-value.avsc': JSON.stringify(schema), 'ids.avsc': '"long"' },
  )
  const { exitCode, stdout } = await run('schema', 'types', next)
  expect(exitCode).toBe(0)
  expect(stdout).toBe(`// Generated by "fairlead schema types".

export type Ids = bigint

export type Status = "OPEN" | "PAID"

/** What was bought. */
export type Order = {
  readonly id: bigint
  readonly at: Date
  readonly status: null | Status
  readonly lines: readonly (null | string)[]
  readonly labels: Readonly<Record<string, number>>
  readonly parent: null | Order
  readonly raw: Uint8Array
}
`)
})
