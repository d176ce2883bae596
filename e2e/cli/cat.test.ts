import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { CLI_ENVIRONMENT, fairlead } from '../support/cli.ts'
import { ROOT } from '../support/platform.ts'

const KCAT = '/usr/bin/kcat'

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})
afterAll(() => broker.stop())

async function cat(argv: readonly string[], input?: string): Promise<string> {
  const options = { bootstrapServer: broker.address, ...(input === undefined ? {} : { input }) }
  const { stdout, stderr, exitCode } = await fairlead(['cat', ...argv], options)
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  return stdout
}

async function kcat(argv: readonly string[], input = ''): Promise<string> {
  const child = spawn(KCAT, ['-b', broker.address, ...argv])
  // It may be done before it has read everything.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return text(child.stdout)
}

test('keys, headers, nulls and values come back as they were sent', async () => {
  await cat(['-P', '-t', 'pairs', '-p', '0', '-K', ':', '-Z', '-H', 'trace=7'], 'a:1\nb:\n')
  const printed = await cat(['-C', '-t', 'pairs', '-e', '-q', '-f', '%o %k=%s (%K %S) %h\\n'])
  expect(printed).toBe('0 a=1 (1 1) trace=7\n1 b= (1 -1) trace=7\n')
  expect(await cat(['-C', '-t', 'pairs', '-e', '-q', '-Z', '-K', ':'])).toBe('a:1\nb:NULL\n')
})

test.for(['gzip', 'snappy', 'lz4', 'zstd'])('%s is sent as -z says', async (codec) => {
  const topic = `packed-${codec}`
  const lines = Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join('')
  await cat(['-P', '-t', topic, '-p', '0', '-z', codec], lines)
  expect(await cat(['-C', '-t', topic, '-e', '-q'])).toBe(lines)
  const folder = join(broker.logDirectory, `${topic}-0`)
  const dumped = await fairlead(['log', 'dump', folder, '-o', 'json'], {})
  expect(dumped.stdout).toContain(`"${codec}"`)
  expect(existsSync(KCAT) ? await kcat(['-C', '-t', topic, '-e', '-q']) : lines).toBe(lines)
})

test('offsets count from the beginning, the end, or a time', async () => {
  await cat(['-P', '-t', 'points', '-p', '0'], 'a\nb\nc\nd\n')
  const from = (start: string) => cat(['-C', '-t', 'points', '-e', '-q', '-o', start])
  expect(await from('2')).toBe('c\nd\n')
  expect(await from('-1')).toBe('d\n')
  expect(await from('s@0')).toBe('a\nb\nc\nd\n')
  expect(await from('end')).toBe('')
  expect(await cat(['-C', '-t', 'points', '-c', '2'])).toBe('a\nb\n')
  expect(await cat(['-Q', '-t', 'points:0:-2', '-t', 'points:0:-1'])).toBe(
    'points [0] offset 0\npoints [0] offset 4\n',
  )
  expect(await cat(['-L', '-t', 'points'])).toMatch(/^Metadata for points \(from /)
})

test('whoever reads the pipe may go away', async () => {
  await cat(['-P', '-t', 'many', '-p', '0'], 'line\n'.repeat(50_000))
  const program = join(ROOT, 'node_modules/.bin/fairlead')
  const script = `"${program}" cat -b ${broker.address} -C -t many | head -1; echo "$PIPESTATUS"`
  const child = spawn('bash', ['-c', script], { env: CLI_ENVIRONMENT })
  expect(await text(child.stdout)).toBe('line\n0\n')
})

test('a topic that is not there is said so', async () => {
  const options = { bootstrapServer: broker.address }
  const result = await fairlead(['cat', '-C', '-t', 'missing', '-e'], options)
  expect(result).toMatchObject({ exitCode: 3, stdout: '' })
  expect(result.stderr).toContain('there is no topic missing')
})

describe.runIf(existsSync(KCAT))('beside kcat', () => {
  test.for([
    ['-J'],
    ['-f', '%t[%p]@%o %k=%s %T %h %K %S\\n'],
    ['-K', ' -> ', '-D', ';'],
    ['-o', '-2'],
    ['-o', '1', '-c', '1'],
  ])('prints what kcat prints: %o', async (letters) => {
    const topic = `same-${letters.join('').replaceAll(/[^a-zA-Z0-9]/g, '')}`
    await kcat(['-P', '-t', topic, '-p', '0', '-K:', '-H', 'h=1'], 'a:1\nb:2\nc:3\n')
    const argv = ['-C', '-t', topic, '-e', '-q', ...letters]
    const [ours, theirs] = await Promise.all([cat(argv), kcat(argv)])
    const comparable = (line: string) => (letters.includes('-J') ? withoutBroker(line) : line)
    expect(ours.split('\n').map(comparable)).toEqual(theirs.split('\n').map(comparable))
  })

  test('kcat reads what was sent, key and all', async () => {
    await cat(['-P', '-t', 'theirs', '-p', '0', '-k', 'key', '-H', 'a=b'], 'value\n')
    expect(await kcat(['-C', '-t', 'theirs', '-e', '-q', '-f', '%k=%s %h\n'])).toBe(
      'key=value a=b\n',
    )
  })
})

/** Which broker a record came from is not known to us. */
function withoutBroker(line: string): unknown {
  if (line === '') return line
  const { broker: _, ...rest } = JSON.parse(line) as Record<string, unknown>
  return rest
}
