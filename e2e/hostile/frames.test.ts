import { createAdmin } from '@fairlead/kafka'
import { decodeResponse, encodeRequest } from '@fairlead/protocol'
import { connect } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { startAttack } from './attack.ts'
import type { Words } from './random-request.ts'
import { startNeighbours } from './start-neighbours.ts'

/** Set HOSTILE_FRAMES and HOSTILE_SEED to search longer, or to repeat what failed. */
const FRAMES = Number(process.env['HOSTILE_FRAMES'] ?? 100_000)
const SEED = Number(process.env['HOSTILE_SEED'] ?? Date.now() % 1_000_000)
const PROCESSES = 2
const CONNECTIONS_PER_PROCESS = 64
const MIB = 1024 * 1024
const LIMIT_BYTES = 600 * MIB
const MS_PER_FRAME_MAX = 5
const TOPICS = ['attacked', 'attacked-compacted', 'attacked.a', 'attacked.b', 'attacked.c']

let broker: BrokerProcess

beforeEach(async () => {
  broker = await BrokerProcess.start({
    'memory.limit.bytes': LIMIT_BYTES,
    'queued.max.request.bytes': 64 * MIB,
    'socket.request.max.bytes': 32 * MIB,
    'log.cleaner.dedupe.buffer.size': 4 * MIB,
    // What is deleted leaves the disk at once: a long run creates and deletes many topics.
    'log.segment.delete.delay.ms': 0,
  })
})
afterEach(() => broker.stop())

test(`${FRAMES} hostile frames (HOSTILE_SEED=${SEED}) harm neither broker nor neighbours`, {
  timeout: 300_000 + FRAMES * MS_PER_FRAME_MAX,
}, async () => {
  const words = await createTargets()
  const neighbours = await startNeighbours(broker.port)
  const startMs = performance.now()
  const attacks = Array.from({ length: PROCESSES }, (_, index) =>
    startAttack({
      port: broker.port,
      seed: SEED * PROCESSES + index,
      frames: Math.ceil(FRAMES / PROCESSES),
      connections: CONNECTIONS_PER_PROCESS,
      words,
    }),
  )
  await Promise.all(attacks.map(({ ended }) => ended))
  const seconds = (performance.now() - startMs) / 1_000
  const seen = await neighbours.stop()
  const { peakBytes } = await broker.memory()
  const reports = attacks.map(({ report }) => report())
  const sum = (read: (report: (typeof reports)[number]) => number): number =>
    reports.reduce((total, report) => total + read(report), 0)

  process.stdout.write(
    `${JSON.stringify({
      seed: SEED,
      frames: sum(({ frames }) => frames),
      connections: sum(({ connections }) => connections),
      timeouts: sum(({ timeouts }) => timeouts),
      seconds: Math.round(seconds),
      framesPerSecond: Math.round(sum(({ frames }) => frames) / seconds),
      answered: await countOf('requests_total', (line) => !line.includes('"FetchConsumer"')),
      refused: await countOf('errors_total', (line) => line.includes('error="DecodeError"')),
      connectionsClosed: await broker.metric('fairlead_connections_closed_total'),
      peakMib: Math.round(peakBytes / MIB),
      limitMib: LIMIT_BYTES / MIB,
      neighbours: seen,
    })}\n`,
  )
  expect(seen.wrong).toEqual([])
  expect(seen.sentCount).toBeGreaterThan(100)
  expect(peakBytes).toBeLessThan(LIMIT_BYTES * 1.1)
  expect(ownFailures()).toEqual([])
})

async function countOf(name: string, isCounted: (line: string) => boolean): Promise<number> {
  const lines = await broker.metricLines(`kafka_network_requestmetrics_${name}`)
  return lines.filter(isCounted).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** What the broker says about itself, not about its peers. */
function ownFailures(): readonly string[] {
  return broker.logLines.filter(
    (line) => line.includes('"kind":"handler_failed"') || /"level":"(error|fatal)"/.test(line),
  )
}

async function createTargets(): Promise<Words> {
  const admin = createAdmin({ bootstrapServers: [broker.address], clientId: 'targets' })
  for (const topic of TOPICS) {
    const isCompacted = topic.endsWith('compacted')
    const configs = isCompacted ? { 'cleanup.policy': 'compact' } : {}
    await admin.ensureTopic({ topic, partitions: 2, configs })
  }
  await admin.close()
  const groups = ['attacked-group', 'attacked-group-2', 'attacked-group-3']
  return { topics: TOPICS, topicIds: await idsOf(TOPICS), groups }
}

function idsOf(topics: readonly string[]): Promise<string[]> {
  const request = { name: 'Metadata', version: 12, correlationId: 1, clientId: 'targets' } as const
  const body = { topics: topics.map((name) => ({ name })), allowAutoTopicCreation: false }
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: broker.port })
    let answer: Buffer = Buffer.alloc(0)
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk])
      if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return
      socket.destroy()
      const { topics: found } = decodeResponse('Metadata', 12, answer.subarray(4)).body
      resolve(found.map(({ topicId }) => topicId))
    })
    for (const chunk of encodeRequest({ ...request, body })) socket.write(chunk)
  })
}
