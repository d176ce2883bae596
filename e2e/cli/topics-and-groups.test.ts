import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { type CliResult, fairlead } from '../support/cli.ts'

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})
afterAll(() => broker.stop())

function run(line: string, input?: string): Promise<CliResult> {
  const options = { bootstrapServer: broker.address, ...(input === undefined ? {} : { input }) }
  return fairlead(line.split(' '), options)
}

async function json<Value>(line: string): Promise<Value> {
  const { stdout, stderr, exitCode } = await run(`${line} -o json`)
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  return JSON.parse(stdout) as Value
}

test('a topic is created, listed and described', async () => {
  const created = await run('topic create orders --partitions 3 --config retention.ms=3600000')
  expect(created).toEqual({ exitCode: 0, stdout: 'NAME    RESULT\norders  created\n', stderr: '' })
  expect(await json('topic list')).toContainEqual({
    topic: 'orders',
    partitions: 3,
    replicationFactor: 1,
    isInternal: false,
  })
  await run('cat -P -t orders -p 1', 'a\nb\n')
  const described = await json<{
    readonly partitions: readonly { readonly highWatermark: number }[]
    readonly configs: readonly { readonly name: string }[]
  }>('topic describe orders')
  expect(described.partitions.map(({ highWatermark }) => highWatermark)).toEqual([0, 2, 0])
  expect(described.configs.find(({ name }) => name === 'retention.ms')).toMatchObject({
    value: '3600000',
    source: 'DYNAMIC_TOPIC_CONFIG',
  })
})

test('one failure among several topics fails the command, and the others are done', async () => {
  await run('topic create twice')
  const { exitCode, stdout, stderr } = await run('topic create once twice -o json')
  expect(exitCode).toBe(5)
  expect(stderr).toContain("Topic 'twice' already exists")
  const results = JSON.parse(stdout) as { readonly name: string; readonly result: string }[]
  expect(Object.fromEntries(results.map(({ name, result }) => [name, result]))).toEqual({
    once: 'created',
    twice: 'TOPIC_ALREADY_EXISTS',
  })
})

test('a dry run changes nothing', async () => {
  expect((await run('topic create imagined --dry-run')).stdout).toContain('valid')
  expect(JSON.stringify(await json('topic list'))).not.toContain('imagined')
})

test('nothing is deleted without a question or --yes', async () => {
  await run('topic create doomed')
  expect(await run('topic delete doomed')).toMatchObject({ exitCode: 2 })
  expect(await run('topic delete doomed --yes')).toMatchObject({ exitCode: 0 })
  expect(await run('topic describe doomed')).toMatchObject({ exitCode: 3, stdout: '' })
})

test('what is not there has exit code 3, and JSON stays JSON', async () => {
  const { exitCode, stdout } = await run('group describe nobody -o json')
  expect(exitCode).toBe(3)
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'GROUP_ID_NOT_FOUND' } })
})

test('a broker that is not there has exit code 6', async () => {
  const result = await fairlead(['topic', 'list', '-B', '127.0.0.1:1', '--timeout', '500'])
  expect(result).toMatchObject({ exitCode: 6, stdout: '' })
  expect(result.stderr).toContain('--bootstrap-server')
})

test('the lag of a group is what it has yet to read', async () => {
  await run('cat -P -t lagging -p 0', 'a\nb\nc\n')
  await run('cat -G readers lagging -c 3 -q')
  await run('cat -P -t lagging -p 0', 'd\ne\n')
  const [lag] = await json<readonly { readonly lag: number }[]>('group lag readers')
  expect(lag).toMatchObject({ committedOffset: 3, highWatermark: 5, lag: 2 })
  expect(await run('group lag readers --fail-above 1')).toMatchObject({ exitCode: 10 })
  expect(await run('group lag readers --fail-above 2')).toMatchObject({ exitCode: 0 })
  expect(await json('group describe readers')).toMatchObject({ state: 'Empty', lag: 2 })
})

test('a reset shows where it leads, and is carried out with --execute', async () => {
  await run('cat -P -t resettable -p 0', 'a\nb\nc\n')
  await run('cat -G again resettable -c 3 -q')
  const preview = await run('group reset again --to-earliest')
  expect(preview.stdout).toMatch(/resettable +0 +3 +0 +-3/)
  expect(preview.stderr).toContain('--execute')
  expect(await run('cat -G again resettable -e -q')).toMatchObject({ stdout: '' })
  await run('group reset again --shift-by -1 --execute')
  expect(await run('cat -G again resettable -e -q')).toMatchObject({ stdout: 'c\n' })
})

test('every command tells how it is used', async () => {
  const help = await fairlead(['--help'])
  expect(help).toMatchObject({ exitCode: 0, stderr: '' })
  const names = [...help.stdout.matchAll(/^ {2}([a-z]+ [a-z-]+) {2}/gm)].map(([, name]) => name)
  expect(names).toContain('topic create')
  for (const name of names.slice(0, 3)) {
    expect((await run(`${name} --help`)).stdout).toContain(`Usage: fairlead ${name}`)
  }
})
