import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import {
  type QuotaEntity,
  createAdmin,
  createClusterAdmin,
  createProducer,
  createReader,
} from '@fairlead/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'

const KCAT = '/usr/bin/kcat'
const BYTES_PER_SECOND = 200_000
/** `LINES` take ten minutes at it. */
const HELD_BYTES_PER_SECOND = 2_000
/** A burst of two windows is free. */
const FREE_BYTES = 2 * BYTES_PER_SECOND
const LINE_BYTES = 1_000
const LINE_COUNT = 1_200
const LINES = `${'x'.repeat(LINE_BYTES - 1)}\n`.repeat(LINE_COUNT)
/** What the quota makes of it: 4 s. */
const TRANSFER_MS = ((LINES.length - FREE_BYTES) / BYTES_PER_SECOND) * 1_000
/** Batches are the unit of a wait: one more or less is let through. */
const SLACK = 0.75

let broker: BrokerProcess

beforeAll(async () => {
  broker = await BrokerProcess.start({ 'quota.window.num': 3 })
})
afterAll(() => broker.stop())

async function setQuota(
  entity: QuotaEntity,
  key: string,
  value: number = BYTES_PER_SECOND,
): Promise<void> {
  const admin = createClusterAdmin({ clientId: 'admin', bootstrapServers: [broker.address] })
  await admin.alterQuotas(entity, [{ key, value }], { validateOnly: false })
  await admin.close()
}

/** 0 for a topic that is not there yet. */
async function endOffset(topic: string): Promise<number> {
  const admin = createAdmin({ clientId: 'admin', bootstrapServers: [broker.address] })
  try {
    const count = (await admin.partitionCount(topic)) ?? 0
    if (count === 0) return 0
    return await admin.listOffsets({ topic, partition: 0, timestamp: 'latest' })
  } finally {
    await admin.close()
  }
}

function startKcat(clientId: string, argv: readonly string[], input = '') {
  const child = spawn(KCAT, ['-b', broker.address, '-X', `client.id=${clientId}`, ...argv])
  // It may be done before it has read everything.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return child
}

function kcat(clientId: string, argv: readonly string[], input = ''): Promise<string> {
  return text(startKcat(clientId, argv, input).stdout)
}

function produceArguments(topic: string): readonly string[] {
  return ['-P', '-t', topic, '-X', 'batch.num.messages=50', '-X', 'max.in.flight=1']
}

function kcatProduces(clientId: string, topic: string): Promise<string> {
  return kcat(clientId, produceArguments(topic), LINES)
}

async function timed(work: Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work
  return performance.now() - startMs
}

describe.runIf(existsSync(KCAT))('kcat', () => {
  test('produces at its quota', async () => {
    await setQuota({ 'client-id': 'greedy' }, 'producer_byte_rate')
    await kcatProduces('warm-up', 'greedy')
    const elapsedMs = await timed(kcatProduces('greedy', 'greedy'))
    expect(elapsedMs).toBeGreaterThan(TRANSFER_MS * SLACK)
    report('kcat produced', elapsedMs)
  })

  test('holds up no neighbour while it waits for its quota', async () => {
    await setQuota({ 'client-id': 'held' }, 'producer_byte_rate', HELD_BYTES_PER_SECOND)
    const held = startKcat('held', produceArguments('held'), LINES)
    try {
      await waitFor('the first records', 60_000, async () => (await endOffset('held')) > 0)
      await kcatProduces('modest', 'modest')
      expect(await endOffset('modest')).toBe(LINE_COUNT)
      expect(await endOffset('held')).toBeLessThan(LINE_COUNT)
    } finally {
      held.kill('SIGKILL')
    }
  })

  test('consumes at its quota, and misses nothing', async () => {
    await kcatProduces('warm-up', 'read')
    await setQuota({ user: 'ANONYMOUS', 'client-id': 'reader' }, 'consumer_byte_rate')
    const argv = ['-C', '-t', 'read', '-e', '-q', '-X', 'fetch.message.max.bytes=50000']
    const startMs = performance.now()
    const read = await kcat('reader', argv)
    const elapsedMs = performance.now() - startMs
    expect(read.length).toBe(LINES.length)
    expect(elapsedMs).toBeGreaterThan(TRANSFER_MS * SLACK)
    report('kcat consumed', elapsedMs)
  })
})

test('kafkajs produces at its quota', async () => {
  await setQuota({ 'client-id': 'kafkajs' }, 'producer_byte_rate')
  const brokers = [broker.address]
  const producer = new Kafka({
    clientId: 'kafkajs',
    brokers,
    logLevel: logLevel.NOTHING,
  }).producer()
  await producer.connect()
  const batch = { topic: 'kafkajs', messages: [{ value: 'x'.repeat(50 * LINE_BYTES) }] }
  const sendAll = async (): Promise<void> => {
    for (let sent = 0; sent < LINE_COUNT; sent += 50) await producer.send(batch)
  }
  const elapsedMs = await timed(sendAll())
  await producer.disconnect()
  expect(elapsedMs).toBeGreaterThan(TRANSFER_MS * SLACK)
  report('kafkajs produced', elapsedMs)
})

test('our reader consumes at its quota, and misses nothing', async () => {
  const bootstrapServers = [broker.address]
  const topic = { topic: 'ours', partition: 0 }
  const admin = createAdmin({ clientId: 'admin', bootstrapServers })
  await admin.ensureTopic({ topic: 'ours', partitions: 1 })
  await admin.close()
  const producer = createProducer({ clientId: 'ours', bootstrapServers })
  const record = { ...topic, key: null, value: Buffer.alloc(LINE_BYTES), headers: [] }
  for (let sent = 0; sent < LINE_COUNT; sent += 50) {
    await producer.send(Array.from({ length: 50 }, () => record))
  }
  await producer.close()
  await setQuota({ 'client-id': 'our reader' }, 'consumer_byte_rate')
  const reader = createReader({ clientId: 'our reader', bootstrapServers })
  const readAll = async (): Promise<void> => {
    for (let fromOffset = 0; fromOffset < LINE_COUNT; ) {
      const request = { ...topic, fromOffset, maxWaitMs: 500, maxBytes: 50_000 }
      fromOffset = (await reader.fetch(request)).nextOffset
    }
  }
  const elapsedMs = await timed(readAll())
  await reader.close()
  expect(elapsedMs).toBeGreaterThan(TRANSFER_MS * SLACK)
  report('our reader consumed', elapsedMs)
})

/** How much longer it took than the quota asks for is the machine's. */
function report(what: string, elapsedMs: number): void {
  process.stdout.write(
    `${what} in ${elapsedMs.toFixed()} ms; the quota makes it ${TRANSFER_MS.toFixed()} ms\n`,
  )
}
