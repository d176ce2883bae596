import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { crc32c, encodeBatch, encodeRequest } from '@fairlead/protocol'
import { firstAcknowledged, requestOfOneRecord } from './broker/start.ts'
import { type BenchServer, startFairlead } from './broker/servers.ts'
import { createTopic } from './broker/topics.ts'
import type { BenchRow } from './report.ts'
import { usageOf } from './usage.ts'

/** `BENCH_RESTART_GB` and `BENCH_RESTART_PARTITIONS` say how much there is to open. */
const TOTAL_BYTES = Number(process.env['BENCH_RESTART_GB'] ?? 10) * 1e9
const PARTITIONS = Number(process.env['BENCH_RESTART_PARTITIONS'] ?? 1000)
const RECORD_BYTES = 1000
const RECORDS_PER_BATCH = 1000
const IN_FLIGHT = 8

/**
 * How long a broker with many partitions and gigabytes takes from its start to the first record that
 * it acknowledges: after kill -9 in the middle of a load, and after it was stopped.
 */
export async function benchRestart(): Promise<readonly BenchRow[]> {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-restart-'))
  try {
    const server = await startFairlead(join(directory, 'log'))
    try {
      return await measure(server)
    } finally {
      await server[Symbol.asyncDispose]()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function measure(server: BenchServer): Promise<readonly BenchRow[]> {
  const topic = await createTopic(server, { partitions: PARTITIONS, durability: 'synced' })
  const loadedMs = await timed(() => load(server.port, topic))
  process.kill(server.pid, 'SIGKILL')
  await delay(500)
  const killed = await started(server, topic)
  const stoppedMs = await timed(() => server.terminate())
  const stopped = await started(server, topic)
  const ms = (name: string, rate: number, atMost?: number): BenchRow => ({
    name: atMost === undefined ? name : `${name} (at most ${atMost})`,
    rate,
    unit: 'ms',
  })
  return [
    { name: 'loaded', rate: TOTAL_BYTES / loadedMs / 1000, unit: 'MB/s' },
    { ...ms('start after kill -9', killed.ms, 10_000), usage: killed.usage },
    ms('stop', stoppedMs),
    { ...ms('start after a stop', stopped.ms, 3000), usage: stopped.usage },
  ]
}

async function started(server: BenchServer, topic: string) {
  const startedMs = performance.now()
  server.restart()
  await firstAcknowledged(server.port, requestOfOneRecord(topic))
  return { ms: performance.now() - startedMs, usage: usageOf(server.pid) }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}

/** Batches of a megabyte to every partition in turn, some of them on their way at any time. */
async function load(port: number, topic: string): Promise<void> {
  const value = Buffer.alloc(RECORD_BYTES, 'x')
  const record = { key: null, value, headers: [], timestampMs: Date.now() }
  const records = encodeBatch(
    { records: Array.from({ length: RECORDS_PER_BATCH }, () => record) },
    crc32c,
  )
  const requestCount = Math.ceil(TOTAL_BYTES / records.length)
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let answeredBytes = 0
  let answeredCount = 0
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.once('error', reject)
  socket.once('close', () => reject(new Error('the broker ended the load')))
  let sentCount = 0
  const send = (): void => {
    while (sentCount < requestCount && sentCount - answeredCount < IN_FLIGHT) {
      const index = sentCount % PARTITIONS
      const topicData = [{ name: topic, partitionData: [{ index, records }] }]
      sentCount += 1
      socket.write(
        Buffer.concat(
          encodeRequest({
            name: 'Produce',
            version: 9,
            correlationId: sentCount,
            clientId: 'bench',
            body: { acks: -1, timeoutMs: 30_000, topicData },
          }),
        ),
      )
    }
  }
  let answerBytes = 0
  socket.on('data', (bytes) => {
    // All answers have the same length, that of the first one.
    if (answerBytes === 0) answerBytes = 4 + Buffer.from(bytes).readInt32BE(0)
    answeredBytes += bytes.length
    answeredCount = Math.floor(answeredBytes / answerBytes)
    if (answeredCount === requestCount) resolve()
    else send()
  })
  send()
  await promise
  socket.destroy()
}
