import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { fairlead } from '../support/cli.ts'

let broker: BrokerProcess
let scratch: string

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'fairlead-cli-log-'))
  broker = await BrokerProcess.start()
})
afterAll(async () => {
  await broker.stop()
  await rm(scratch, { recursive: true, force: true })
})

const folderOf = (topic: string) => join(broker.logDirectory, `${topic}-0`)

async function produced(topic: string, lines: readonly string[]): Promise<void> {
  const options = { bootstrapServer: broker.address, input: `${lines.join('\n')}\n` }
  await fairlead(['topic', 'create', topic, '-p', '1'], options)
  // One batch each: each line is sent before the next is read.
  await fairlead(['cat', '-P', '-t', topic, '-p', '0', '-K', ':', '-u'], options)
}

/** Changes one byte of the only segment. */
async function flipByte(topic: string, position: number): Promise<void> {
  const file = await open(join(folderOf(topic), `${'0'.repeat(20)}.log`), 'r+')
  const bytes = new Uint8Array(1)
  await file.read(bytes, 0, 1, position)
  await file.write(new Uint8Array([(bytes[0] ?? 0) ^ 1]), 0, 1, position)
  await file.close()
}

test('dump shows batches and records, and needs no broker', async () => {
  await produced('dumped', ['a:1', 'b:2', 'c:3'])
  const batches = await fairlead(['log', 'dump', folderOf('dumped'), '-o', 'json'])
  expect(batches).toMatchObject({ exitCode: 0, stderr: '' })
  expect(JSON.parse(batches.stdout)).toMatchObject([
    { baseOffset: 0, lastOffset: 0, recordCount: 1, compression: 'none', isValid: true },
    { baseOffset: 1, isValid: true },
    { baseOffset: 2, isValid: true },
  ])
  const argv = ['log', 'dump', '--records', '--from-offset', '1', folderOf('dumped'), '-o', 'jsonl']
  const lines = (await fairlead(argv)).stdout.trim().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { offset: 1, key: 'b', value: '2' },
    { offset: 2, key: 'c', value: '3' },
  ])
})

test('dump reads what groups have committed', async () => {
  await produced('grouped', ['a:1'])
  const options = { bootstrapServer: broker.address }
  await fairlead(['cat', '-G', 'readers', 'grouped', '-e', '-q'], options)
  const names = await readdir(broker.logDirectory)
  const folders = names
    .filter((name) => name.startsWith('__consumer_offsets-'))
    .map((name) => join(broker.logDirectory, name))
  const dumped = await fairlead(['log', 'dump', '--records', '--decode', '-o', 'jsonl', ...folders])
  const keys = dumped.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { readonly key: string }).key)
  expect(keys.map((key) => JSON.parse(key) as unknown)).toContainEqual({
    group: 'readers',
    topic: 'grouped',
    partition: 0,
  })
})

test('verify finds a flipped bit, and repair gives up what is behind it only when told to', async () => {
  await produced('damaged', ['a:1', 'b:2', 'c:3'])
  await broker.terminate()
  const verify = () => fairlead(['log', 'verify', folderOf('damaged'), '-o', 'json'])
  expect(await verify()).toMatchObject({ exitCode: 0, stderr: '' })
  const [whole] = JSON.parse((await verify()).stdout) as { readonly checkedBytes: number }[]
  await flipByte('damaged', (whole?.checkedBytes ?? 0) - 1)

  const found = await verify()
  expect(found.exitCode).toBe(10)
  expect(JSON.parse(found.stdout)).toMatchObject([{ damaged: [{ endOffset: 3 }] }])

  const refused = await fairlead(['log', 'repair', folderOf('damaged')])
  expect(refused).toMatchObject({ exitCode: 5, stdout: '' })
  expect(refused.stderr).toContain('--cut-damaged')

  const repaired = await fairlead(['log', 'repair', '--cut-damaged', '-y', folderOf('damaged')])
  expect(repaired).toMatchObject({ exitCode: 0, stderr: '' })
  expect(await verify()).toMatchObject({ exitCode: 0 })
  const aside = (await readdir(broker.logDirectory)).filter((name) => name.includes('.damaged-'))
  expect(aside).toHaveLength(1)

  broker.restart()
  await broker.ready()
  const argv = ['cat', '-C', '-t', 'damaged', '-e', '-q', '-f', '%k=%s\\n']
  const read = await fairlead(argv, { bootstrapServer: broker.address })
  expect(read).toMatchObject({ exitCode: 0 })
  expect('a=1\nb=2\n'.startsWith(read.stdout)).toBe(true)
})

test('repair does not touch what a broker uses', async () => {
  await produced('used', ['a:1'])
  const refused = await fairlead(['log', 'repair', folderOf('used')])
  expect(refused).toMatchObject({ exitCode: 5, stdout: '' })
  expect(refused.stderr).toContain('is used by process')
})

test('a folder without partitions is said so', async () => {
  expect(await fairlead(['log', 'verify', scratch])).toMatchObject({ exitCode: 3, stdout: '' })
})
