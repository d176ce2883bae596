import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '@fairlead/service'
import { expect, test } from 'vitest'
import { RELAY_CONFIG } from './config.ts'
import { checkRelayConfig, relayOptions } from './options.ts'

const ROOT = join(import.meta.dirname, '../../..')
const TEXT = readFileSync(join(ROOT, 'docs/relay.md'), 'utf8')
const BLOCKS = [...TEXT.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, block = '']) => block)

function load(yaml: string, env: Readonly<Record<string, string>> = {}) {
  const file = join(mkdtempSync(join(tmpdir(), 'relay-docs-')), 'relay.yaml')
  writeFileSync(file, yaml)
  const argv = ['--config', file, '--database.url=postgres://localhost/shop']
  return loadConfig(RELAY_CONFIG, { argv, env, envPrefix: 'RELAY_' }).config
}

test.for(BLOCKS)('the configurations of docs/relay.md are valid (%#)', (block) => {
  const config = load(block, { RELAY_SASL_PASSWORD: 'as the text says' })
  expect(checkRelayConfig(config)).toEqual([])
  expect(() => relayOptions(config)).not.toThrow()
})

test('the function of docs/relay.md is one that is compiled, and run against Postgres', () => {
  const [, code = ''] = /^```ts\n(.*?)^```/ms.exec(TEXT) ?? []
  const example = join(import.meta.dirname, 'testing/regions.test-fixture.ts')
  expect(code).toBe(readFileSync(example, 'utf8'))
})

test('every key that docs/relay.md names is one', () => {
  expect(BLOCKS.length).toBeGreaterThan(3)
  const keys = new Set(Object.keys(RELAY_CONFIG))
  const named = [...TEXT.matchAll(/`((?:table|route|capture|value|tracing|database)\.[a-z.]+)`/g)]
  for (const [, key = ''] of named) expect(keys).toContain(key)
})

test.for([
  { yaml: 'value.converter: jsn', problem: 'did you mean json?' },
  { yaml: 'route.topic.regex: "("', problem: 'route.topic.regex' },
  {
    yaml: 'table.fields.additional.placement: [type:body]',
    problem: 'header, envelope, partition',
  },
  {
    yaml: 'table.fields.additional.placement: [type:envelope]',
    problem: 'set value.converter to json',
  },
  { yaml: 'route.module: /no/such/route.ts', problem: '/no/such/route.ts' },
  { yaml: 'route.topic.include.list: ["("]', problem: 'route.topic.include.list' },
  {
    yaml: 'provide.transaction.metadata: true\nvalue.converter: bytes',
    problem: 'bytes cannot write: set value.converter to json',
  },
  {
    yaml: `provide.transaction.metadata: true\ntopic.transaction: ${'a'.repeat(249)}`,
    problem: '249 are allowed',
  },
  { yaml: 'value.format: avro', problem: 'schema.registry.url is required' },
  {
    yaml: 'skipped.operations: [x]\ncapture.table.include.list: [a]',
    problem: 'c, u, d, t or none',
  },
  {
    yaml: 'message.key.columns: a\ncapture.table.include.list: [a]',
    problem: 'message.key.columns',
  },
  { yaml: 'table.include.list: []', problem: 'name a table' },
  { yaml: 'signal.enabled.channels: [source, kafka]', problem: 'none of source, log' },
  { yaml: 'security.protocol: SASL_SSL', problem: 'sasl.username is empty' },
  { yaml: 'sasl.username: ann', problem: 'set SASL_SSL' },
  {
    yaml: 'security.protocol: SASL_PLAINTEXT\nsasl.username: ann\nsasl.mechanism: PLAIN',
    problem: 'would be readable on the way',
  },
  { yaml: 'ssl.truststore.location: /ca.pem', problem: 'set SSL or SASL_SSL' },
  {
    yaml: 'security.protocol: SSL\nssl.truststore.location: /no/such.pem',
    problem: 'ssl.truststore.location: ENOENT',
  },
  {
    yaml: 'database.sslmode: verify-ca',
    problem: 'database.sslrootcert is not set',
  },
  {
    yaml: 'database.sslmode: disable\ndatabase.sslrootcert: package.json',
    problem: 'database.sslrootcert is set and database.sslmode is disable',
  },
  { yaml: 'database.sslkey: /no/such.pem', problem: 'database.sslkey: ENOENT' },
  { yaml: 'signal.enabled.channels: [log]', problem: 'source cannot be left out' },
])('$yaml is refused: $problem', ({ yaml, problem }) => {
  expect(checkRelayConfig(load(yaml)).join()).toContain(problem)
})

test('an unknown key is refused with the nearest one', () => {
  expect(() => load('route.topic.replacment: x')).toThrow('did you mean route.topic.replacement?')
})

/** By path, from the root. */
function testFiles(): readonly string[] {
  return ['apps/relay', 'e2e', 'libs/base', 'libs/cdc', 'libs/kafka'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.test.ts') && !path.includes('node_modules'))
      .map((path) => join(folder, path)),
  )
}

/** What a row says of tests that is not so. */
function wrongReferences(row: string, files: readonly string[]): readonly string[] {
  const wrong: string[] = []
  let text = ''
  const references = (row.split('|')[4] ?? '').matchAll(/`([\w./-]+\.test\.ts)`|"([^"]+)"/g)
  for (const [, path, quoted = ''] of references) {
    if (path === undefined) {
      if (!text.includes(quoted)) wrong.push(quoted)
      continue
    }
    const found = files.filter((file) => file === path || file.endsWith(`/${path}`))
    if (found.length !== 1) wrong.push(path)
    text = found[0] === undefined ? '' : readFileSync(join(ROOT, found[0]), 'utf8')
  }
  return wrong
}

test('the tests that docs/relay-faults.md names exist, and say what it quotes of them', () => {
  const text = readFileSync(join(ROOT, 'docs/relay-faults.md'), 'utf8')
  const rows = text.match(/^\| F\d.*$/gm) ?? []
  expect(new Set(rows.map((row) => /F\d+/.exec(row)?.[0])).size).toBe(35)
  const files = testFiles()
  expect(rows.flatMap((row) => wrongReferences(row, files))).toEqual([])
})
