import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type TestBroker,
  removeDirectory,
  startTestBroker,
  temporaryDirectory,
} from './testing/test-broker.ts'

const KCAT = '/usr/bin/kcat'
const run = promisify(execFile)

let broker: TestBroker
let address: string

beforeAll(async () => {
  broker = await startTestBroker(temporaryDirectory())
  address = `127.0.0.1:${broker.port}`
})
afterAll(async () => {
  await broker.stop()
  removeDirectory(broker.directory)
})

describe('kafkajs', () => {
  test('produces, consumes in a group, commits, and resumes', { timeout: 30_000 }, async () => {
    const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING })
    const admin = kafka.admin()
    await admin.createTopics({ topics: [{ topic: 'js', numPartitions: 3 }] })
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const send = (values: readonly string[]) =>
      producer.send({ topic: 'js', messages: values.map((value) => ({ key: value, value })) })

    await send(['a', 'b', 'c', 'd'])
    expect(await consume(kafka, 4)).toEqual(['a', 'b', 'c', 'd'])
    await send(['e', 'f'])
    expect(await consume(kafka, 2)).toEqual(['e', 'f'])

    const { groups } = await admin.describeGroups(['js-group'])
    expect(groups[0]?.state).toBe('Empty')
    await producer.disconnect()
    await admin.disconnect()
  })
})

/** Consumes `count` records as a group member, commits, and leaves. */
async function consume(kafka: Kafka, count: number): Promise<string[]> {
  const consumer = kafka.consumer({ groupId: 'js-group' })
  await consumer.connect()
  await consumer.subscribe({ topic: 'js', fromBeginning: true })
  const values: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  await consumer.run({
    eachMessage: async ({ message }) => {
      values.push(message.value?.toString() ?? '')
      if (values.length === count) resolve()
    },
  })
  await promise
  await consumer.disconnect()
  return values.sort()
}

// librdkafka 2.0.2: Debian's package, and what most of the world's kcat is.
describe.runIf(existsSync(KCAT))('kcat', () => {
  const kcat = async (args: readonly string[], input = ''): Promise<string> => {
    const child = run(KCAT, ['-b', address, ...args], { timeout: 20_000 })
    child.child.stdin?.end(input)
    return (await child).stdout
  }

  test('lists, produces, consumes and compresses', { timeout: 60_000 }, async () => {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
      await kcat(['-P', '-t', 'cat', '-z', codec, '-K', ':'], `k:${codec}-1\nk:${codec}-2\n`)
    }
    const values = await kcat(['-C', '-t', 'cat', '-e', '-q', '-f', '%o %k %s\n'])
    expect(values.split('\n').slice(0, 2)).toEqual(['0 k none-1', '1 k none-2'])
    expect(values.trim().split('\n').length).toBe(10)
    const listed = await kcat(['-L', '-J'])
    const { topics } = JSON.parse(listed) as { topics: { topic: string }[] }
    expect(topics.map(({ topic }) => topic)).toContain('cat')
  })

  test('consumes as the member of a group, and goes on where it was', {
    timeout: 60_000,
  }, async () => {
    await kcat(['-P', '-t', 'cat-group'], 'a\nb\n')
    const first = await kcat(['-G', 'cats', '-q', '-c', '2', '-o', 'beginning', 'cat-group'])
    expect(first).toBe('a\nb\n')
    await kcat(['-P', '-t', 'cat-group'], 'c\n')
    const second = await kcat(['-G', 'cats', '-q', '-c', '1', 'cat-group'])
    expect(second).toBe('c\n')
  })

  test('produces idempotently', { timeout: 30_000 }, async () => {
    const args = ['-P', '-t', 'cat-idempotent', '-X', 'enable.idempotence=true']
    await kcat(args, Array.from({ length: 1_000 }, (_, index) => `${index}\n`).join(''))
    const values = await kcat(['-C', '-t', 'cat-idempotent', '-e', '-q'])
    expect(values.trim().split('\n').length).toBe(1_000)
  })
})
