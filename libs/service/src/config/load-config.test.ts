import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  ConfigError,
  checkConfig,
  defineConfig,
  describeConfig,
  loadConfig,
  parseConfigFile,
  printConfig,
} from '../index.ts'

const SPEC = defineConfig({
  'slot.name': { type: 'string', default: 'fairlead', pattern: /^[a-z_]+$/, doc: 'Slot.' },
  'batch.max_records': { type: 'int', default: 500, min: 1, max: 1000, doc: 'Batch.' },
  'auto-create': { type: 'boolean', default: true, doc: 'Create.' },
  'bootstrap.servers': { type: 'list', required: true, doc: 'Brokers.' },
  mode: { type: 'enum', default: 'group', values: ['group', 'os'], doc: 'Mode.' },
  'database.url': { type: 'url', protocols: ['postgres:'], secret: true, doc: 'Database.' },
  'topic.creation.groups': { type: 'list', default: [], doc: 'Groups.' },
  'topic.creation.': { type: 'family', members: '<group>.<setting>', doc: 'Of a group.' },
  'zookeeper.connect': { type: 'unsupported', doc: 'there is no ZooKeeper here' },
})

const load = (options: {
  argv?: readonly string[]
  env?: Readonly<Record<string, string>>
  file?: readonly [name: string, text: string]
}) => {
  const argv = [...(options.argv ?? [])]
  if (options.file !== undefined) {
    const path = join(mkdtempSync(join(tmpdir(), 'config-')), options.file[0])
    writeFileSync(path, options.file[1])
    argv.push('--config', path)
  }
  return loadConfig(SPEC, { envPrefix: 'RELAY_', argv, env: options.env ?? {} })
}

const problemsOf = (options: Parameters<typeof load>[0]): readonly string[] => {
  try {
    load({ ...options, argv: ['--bootstrap.servers=a:1', ...(options.argv ?? [])] })
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

test('a flag wins over the environment, which wins over the file, which wins over the default', () => {
  const file = ['c.properties', 'slot.name=from_file\nmode=os\nbatch.max_records=7'] as const
  const env = { RELAY_SLOT_NAME: 'from_env', RELAY_MODE: 'os' }
  const argv = ['--slot.name=from_flag', '--bootstrap.servers', 'a:1, b:2']
  const { config, sources } = load({ argv, env, file })
  expect(config['slot.name']).toBe('from_flag')
  expect(config.mode).toBe('os')
  expect(config['batch.max_records']).toBe(7)
  expect(config['auto-create']).toBe(true)
  expect(config['bootstrap.servers']).toEqual(['a:1', 'b:2'])
  expect([sources.get('slot.name'), sources.get('mode')]).toEqual(['flag', 'environment'])
})

test('dots, dashes and underscores of a key have their own form in the environment', () => {
  const env = { RELAY_BATCH_MAX__RECORDS: '9', RELAY_AUTO___CREATE: 'false' }
  const { config } = load({ env, argv: ['--bootstrap.servers=a:1'] })
  expect([config['batch.max_records'], config['auto-create']]).toEqual([9, false])
})

test('keys of a family are named by the user, wherever they come from', () => {
  const text =
    'topic:\n  creation:\n    groups: [a]\n    a:\n      include: [x, y]\n      partitions: 3'
  const { config, sources, texts } = load({
    file: ['c.yaml', text],
    env: {
      RELAY_TOPIC_CREATION_A_PARTITIONS: '5',
      RELAY_TOPIC_CREATION_B_CLEANUP_POLICY: 'compact',
    },
    argv: ['--topic.creation.a.partitions= 7 ', '--bootstrap.servers=a:1'],
  })
  expect(config['topic.creation.groups']).toEqual(['a'])
  expect(config['topic.creation.']).toEqual({
    'a.include': 'x,y',
    'a.partitions': '7',
    'b.cleanup.policy': 'compact',
  })
  expect(sources.get('topic.creation.b.cleanup.policy')).toBe('environment')
  expect(texts.get('topic.creation.a.include')).toBe('x,y')
  const printed = printConfig(SPEC, config, sources)
  expect(printed).toContain('topic.creation.a.partitions=7  # flag\n')
  expect(printed).not.toContain('[object')
  const help = describeConfig(SPEC, { name: 'r', description: '', envPrefix: 'RELAY_' })
  expect(help).toContain('--topic.creation.<group>.<setting>=<string>')
  expect(help).toContain('RELAY_TOPIC_CREATION_<GROUP>_<SETTING>')
  expect(load({ argv: ['--bootstrap.servers=a:1'] }).config['topic.creation.']).toEqual({})
})

test('the name of a family alone is no key', () => {
  expect(problemsOf({ argv: ['--topic.creation.=x'] })).toEqual([
    expect.stringContaining('unknown key topic.creation.') as string,
  ])
})

test('YAML may nest keys and list values', () => {
  const { config } = load({
    file: ['c.yaml', 'slot:\n  name: nested\nbootstrap.servers: [a:1, b:2]\nauto-create: false\n'],
  })
  expect(config['slot.name']).toBe('nested')
  expect(config['bootstrap.servers']).toEqual(['a:1', 'b:2'])
  expect(config['auto-create']).toBe(false)
})

test('integers of YAML keep their digits', () => {
  const spec = defineConfig({
    token: { type: 'string', doc: 'Text.' },
    never: { type: 'int', doc: 'As Java writes it.' },
    few: { type: 'int', doc: 'A number.' },
  })
  const text = 'token: 12345678901234567890\nnever: 9223372036854775807\nfew: 3\n'
  const values = parseConfigFile('c.yaml', text)
  expect(checkConfig(spec, values, 'c.yaml').config).toEqual({
    token: '12345678901234567890',
    never: Number.MAX_SAFE_INTEGER,
    few: 3,
  })
})

test.for([
  [{ argv: ['--slot.nam=x'] }, 'unknown key slot.nam in flag --slot.nam: did you mean slot.name?'],
  [
    { env: { RELAY_SLOT_NAMES: 'x' } },
    'unknown key RELAY_SLOT_NAMES in the environment: did you mean RELAY_SLOT_NAME?',
  ],
  [{ argv: ['--qqqqqqq=1'] }, 'unknown key qqqqqqq in flag --qqqqqqq: see --help for all keys'],
  [{ argv: ['--slot.name=A'] }, 'slot.name must match ^[a-z_]+$, but flag --slot.name has "A"'],
  [
    { argv: ['--batch.max_records=0'] },
    'batch.max_records must be at least 1, but flag --batch.max_records has "0"',
  ],
  [
    { argv: ['--batch.max_records=1e3'] },
    'batch.max_records must be an integer, but flag --batch.max_records has "1e3"',
  ],
  [{ argv: ['--mode=none'] }, 'mode must be one of group, os, but flag --mode has "none"'],
  [
    { argv: ['--database.url=secret'] },
    'database.url must be an absolute URL, but flag --database.url has (secret)',
  ],
  [{ argv: ['stray'] }, '"stray" is not a flag: write --key=value'],
  [{ argv: ['--mode'] }, '--mode needs a value: --mode=value'],
] as const)('%o is refused', ([options, problem]) => {
  expect(problemsOf(options)).toEqual([problem])
})

test('a missing required key is named with its meaning', () => {
  expect(() => load({})).toThrow('bootstrap.servers is required: Brokers.')
})

test('variables that Kubernetes sets for a service of the same name are not ours', () => {
  const env = { RELAY_PORT: 'tcp://10.0.0.1:8083', RELAY_PORT_8083_TCP_ADDR: '10.0.0.1' }
  expect(problemsOf({ env })).toEqual([])
})

test('a secret may come from a file, and is never printed', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'secret-')), 'url')
  writeFileSync(path, 'postgres://relay:hunter2@db/shop\n')
  const { config, sources } = load({
    argv: ['--bootstrap.servers=a:1'],
    env: { RELAY_DATABASE_URL_FILE: path },
  })
  expect(config['database.url']).toBe('postgres://relay:hunter2@db/shop')
  expect(printConfig(SPEC, config, sources)).not.toContain('hunter2')
})

test('a password in a URL is not printed', () => {
  const spec = defineConfig({ urls: { type: 'list', doc: 'URLs.' } })
  const urls = ['http://ana:hunter2@a:8081/x', 'http://b:8081/ana:bo@', 'https://:hunter2@c']
  const printed = printConfig(spec, { urls }, new Map())
  expect(printed).toBe(
    'urls=http://ana:********@a:8081/x,http://b:8081/ana:bo@,https://:********@c  # default\n',
  )
})

test('a key without effect is accepted with a warning', () => {
  const { warnings } = load({ argv: ['--bootstrap.servers=a:1', '--zookeeper.connect=z:2181'] })
  expect(warnings).toEqual([
    'zookeeper.connect (flag --zookeeper.connect) has no effect: there is no ZooKeeper here',
  ])
})

test('help names every key that has an effect, with its variable', () => {
  const help = describeConfig(SPEC, { name: 'relay', description: 'x', envPrefix: 'RELAY_' })
  expect(help).toContain('--slot.name=<string>  default fairlead')
  expect(help).toContain('RELAY_BATCH_MAX__RECORDS')
  expect(help).not.toContain('zookeeper')
})

test('a number beyond 53 bits is taken as never', () => {
  const spec = defineConfig({
    'lag.ms': { type: 'int', doc: 'Lag.' },
    n: { type: 'int', doc: 'N.' },
  })
  const argv = ['--lag.ms=9223372036854775807', '--n=+7']
  const { config, texts } = loadConfig(spec, { envPrefix: 'X_', argv, env: {} })
  expect(config).toEqual({ 'lag.ms': Number.MAX_SAFE_INTEGER, n: 7 })
  expect(texts.get('lag.ms')).toBe('9223372036854775807')
})

test('an integer beyond 64 bits is none', () => {
  const spec = defineConfig({ n: { type: 'int', doc: 'N.' } })
  const argv = ['--n=9223372036854775808']
  expect(() => loadConfig(spec, { envPrefix: 'X_', argv, env: {} })).toThrow('must be an integer')
})

test.for([
  ['0.25', 0.25],
  ['1', 1],
] as const)('%s is a number', ([text, value]) => {
  const spec = defineConfig({ ratio: { type: 'number', min: 0, max: 1, doc: 'Ratio.' } })
  const { config } = loadConfig(spec, { envPrefix: 'X_', argv: [`--ratio=${text}`], env: {} })
  expect(config.ratio).toBe(value)
})

test.for([
  ['half', 'must be a number'],
  ['1.5', 'must be at most 1'],
  ['-1', 'must be at least 0'],
] as const)('%s %s', ([text, rule]) => {
  const spec = defineConfig({ ratio: { type: 'number', min: 0, max: 1, doc: 'Ratio.' } })
  const options = { envPrefix: 'X_', argv: [`--ratio=${text}`], env: {} }
  expect(() => loadConfig(spec, options)).toThrow(rule)
})

test('families of keys without effect are accepted with a warning, whoever sets them', () => {
  const { warnings } = loadConfig(defineConfig({}), {
    envPrefix: 'X_',
    argv: ['--listener.name.internal.ssl.protocol=a'],
    env: { X_LISTENER_NAME_EXTERNAL_PORT: 'b', X_JVM_OPTS: '-Xmx1g' },
    unsupported: {
      prefixes: { 'listener.name.': 'listeners are alike' },
      variables: /^X_JVM_OPTS$/,
    },
  })
  expect(warnings.toSorted()).toEqual([
    'listener.name.external.port (variable X_LISTENER_NAME_EXTERNAL_PORT) has no effect: listeners are alike',
    'listener.name.internal.ssl.protocol (flag --listener.name.internal.ssl.protocol) has no effect: listeners are alike',
  ])
})

test('a key without effect is checked all the same when its rule is known', () => {
  const spec = defineConfig({
    threads: {
      type: 'unsupported',
      doc: 'one thread is enough',
      check: (text) => (text === '0' ? 'must be at least 1' : undefined),
    },
  })
  const load = (text: string) =>
    loadConfig(spec, { envPrefix: 'X_', argv: [`--threads=${text}`], env: {} }).warnings
  expect(load('1')).toHaveLength(1)
  expect(() => load('0')).toThrow('threads must be at least 1')
})
