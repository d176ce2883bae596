import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProducer } from '@fairlead/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'

const KCAT = '/usr/bin/kcat'
const KCAT_TIMEOUT_MS = 120_000
/** In hexadecimal digits: below `message.max.bytes` with everything around it. */
const LARGE_MESSAGE_BYTES = 1_000_000

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
})
afterAll(() => broker.stop())

/** Runs kcat to its end; what it prints. Fails with what it complains of. */
function kcat(args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(KCAT, ['-b', broker.address, ...args], { timeout: KCAT_TIMEOUT_MS })
    let output = ''
    let complaints = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text
    })
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(output)
      else reject(new Error(`kcat ${args.join(' ')} ended with ${code}: ${complaints}`))
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
const numbered = (count: number): string =>
  Array.from({ length: count }, (_, index) => `${index}\n`).join('')

// librdkafka 2.0.2: Debian's package, and what most of the world's kcat is.
describe.runIf(existsSync(KCAT))('kcat', () => {
  test('lists the broker and its topics', async () => {
    await kcat(['-P', '-t', 'listed'], 'a\n')
    const listed = JSON.parse(await kcat(['-L', '-J'])) as {
      readonly brokers: readonly { readonly id: number; readonly name: string }[]
      readonly topics: readonly { readonly topic: string; readonly partitions: unknown[] }[]
    }
    expect(listed.brokers).toEqual([{ id: 1, name: broker.address }])
    const topic = listed.topics.find((candidate) => candidate.topic === 'listed')
    expect(topic?.partitions).toEqual([
      { partition: 0, leader: 1, replicas: [{ id: 1 }], isrs: [{ id: 1 }] },
    ])
  })

  test.for(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
    'gets back keys, headers and values that it sent with compression %s',
    async (codec) => {
      const topic = `codec-${codec}`
      const input = Array.from({ length: 500 }, (_, index) => `k${index}:value ${index}\n`).join('')
      await kcat(['-P', '-t', topic, '-z', codec, '-K', ':', '-H', 'h1=one', '-H', 'h2=two'], input)
      const read = await kcat(['-C', '-t', topic, '-e', '-q', '-f', '%o %k %h %s\n'])
      expect(lines(read)).toEqual(
        Array.from(
          { length: 500 },
          (_, index) => `${index} k${index} h1=one,h2=two value ${index}`,
        ),
      )
    },
  )

  test.for(['none', 'zstd'])('gets back a message of 1 MB, compression %s', async (codec) => {
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-kcat-'))
    const message = randomBytes(LARGE_MESSAGE_BYTES / 2).toString('hex')
    const file = join(directory, 'message')
    await writeFile(file, message)
    const topic = `large-${codec}`
    await kcat(['-P', '-t', topic, '-z', codec, '-X', 'message.max.bytes=2000000', file])
    const read = await kcat(['-C', '-t', topic, '-e', '-q', '-D', ''])
    const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
    expect(hash(read)).toBe(hash(message))
    await rm(directory, { recursive: true })
  })

  test('is told when a message is too large', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-kcat-'))
    const file = join(directory, 'message')
    await writeFile(file, Buffer.alloc(1_100_000, 'x'))
    const send = kcat(['-P', '-t', 'too-large', '-X', 'message.max.bytes=2000000', file])
    await expect(send).rejects.toThrow('Message size too large')
    await rm(directory, { recursive: true })
  })

  test('produces idempotently', async () => {
    await kcat(['-P', '-t', 'idempotent', '-X', 'enable.idempotence=true'], numbered(10_000))
    const read = await kcat(['-C', '-t', 'idempotent', '-e', '-q'])
    expect(read).toBe(numbered(10_000))
  })

  test('produces without acknowledgement', async () => {
    await kcat(['-P', '-t', 'acks-none', '-X', 'acks=0'], numbered(100))
    const read = await kcat(['-C', '-t', 'acks-none', '-q', '-c', '100'])
    expect(read).toBe(numbered(100))
  })

  test('starts at an offset, from the beginning, or so many before the end', async () => {
    await kcat(['-P', '-t', 'offsets'], numbered(20))
    const from = async (offset: string): Promise<string[]> =>
      lines(await kcat(['-C', '-t', 'offsets', '-p', '0', '-o', offset, '-e', '-q']))
    expect(await from('beginning')).toHaveLength(20)
    expect(await from('17')).toEqual(['17', '18', '19'])
    expect(await from('-5')).toEqual(['15', '16', '17', '18', '19'])
    expect(await from('end')).toEqual([])
  })

  test('starts at a timestamp', async () => {
    const options = { bootstrapServers: [broker.address], clientId: 'timestamps' }
    await kcat(['-L', '-t', 'timestamps'])
    const producer = createProducer(options)
    for (const second of [1, 2, 3, 4]) {
      const value = new TextEncoder().encode(`at ${second}`)
      const record = { topic: 'timestamps', partition: 0, key: null, value, headers: [] }
      await producer.send([{ ...record, timestampMs: 1_700_000_000_000 + second * 1_000 }])
    }
    await producer.close()
    const range = (...offsets: string[]): Promise<string> =>
      kcat(['-C', '-t', 'timestamps', '-p', '0', '-e', '-q', ...offsets.flatMap((o) => ['-o', o])])
    expect(lines(await range('s@1700000002500'))).toEqual(['at 3', 'at 4'])
    expect(lines(await range('s@1700000002000', 'e@1700000004000'))).toEqual(['at 2', 'at 3'])
    const query = await kcat(['-Q', '-t', 'timestamps:0:1700000003000'])
    expect(query).toContain('offset 2')
  })

  test('goes on in a group where it was, over a restart and a kill -9 of the broker', async () => {
    await kcat(['-P', '-t', 'grouped'], numbered(3))
    const consume = (count: number): Promise<string> =>
      kcat(['-G', 'cats', '-q', '-c', `${count}`, '-X', 'auto.offset.reset=earliest', 'grouped'])
    expect(await consume(3)).toBe(numbered(3))

    await broker.terminate()
    broker.restart()
    await broker.ready()
    await kcat(['-P', '-t', 'grouped'], '3\n')
    expect(await consume(1)).toBe('3\n')

    await broker.kill()
    broker.restart()
    await broker.ready()
    await kcat(['-P', '-t', 'grouped'], '4\n')
    expect(await consume(1)).toBe('4\n')
  })
})
