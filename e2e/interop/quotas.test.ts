import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { type QuotaEntity, createClusterAdmin } from '@fairlead/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'

const KCAT = '/usr/bin/kcat'
const BYTES_PER_SECOND = 200_000
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

async function setQuota(entity: QuotaEntity, key: string): Promise<void> {
  const admin = createClusterAdmin({ clientId: 'admin', bootstrapServers: [broker.address] })
  await admin.alterQuotas(entity, [{ key, value: BYTES_PER_SECOND }], { validateOnly: false })
  await admin.close()
}

async function kcat(clientId: string, argv: readonly string[], input = ''): Promise<string> {
  const child = spawn(KCAT, ['-b', broker.address, '-X', `client.id=${clientId}`, ...argv])
  // It may be done before it has read everything.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return text(child.stdout)
}

function kcatProduces(clientId: string, topic: string): Promise<string> {
  const batches = ['-X', 'batch.num.messages=50', '-X', 'max.in.flight=1']
  return kcat(clientId, ['-P', '-t', topic, ...batches], LINES)
}

async function timed(work: Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work
  return performance.now() - startMs
}

describe.runIf(existsSync(KCAT))('kcat', () => {
  test('produces at its quota, and a neighbour as fast as it can', async () => {
    await setQuota({ 'client-id': 'greedy' }, 'producer_byte_rate')
    await kcatProduces('warm-up', 'greedy')
    const finished: string[] = []
    const run = async (clientId: string): Promise<number> => {
      const elapsedMs = await timed(kcatProduces(clientId, clientId))
      finished.push(clientId)
      return elapsedMs
    }
    const [greedyMs] = await Promise.all([run('greedy'), run('modest')])
    expect(finished).toEqual(['modest', 'greedy'])
    expect(greedyMs).toBeGreaterThan(TRANSFER_MS * SLACK)
    expect(greedyMs).toBeLessThan(TRANSFER_MS * 3)
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
    expect(elapsedMs).toBeLessThan(TRANSFER_MS * 3)
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
  expect(elapsedMs).toBeLessThan(TRANSFER_MS * 3)
})
