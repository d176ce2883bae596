import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { crc32c, decodeResponse, encodeBatch, encodeRequest } from '@fairlead/protocol'
import type { BenchRow } from '../report.ts'
import { usageOf } from '../usage.ts'
import { type Figures, type Setting, compared, inTurns } from './rounds.ts'
import type { BenchServer } from './servers.ts'
import { createTopic } from './topics.ts'

const RETRY_MS = 5
const START_DEADLINE_MS = 120_000
/** Until what a start leaves behind is gone. */
const REST_MS = 3_000

/** From the start of the process, in a folder with a topic, to the first record acknowledged. */
export async function benchStart(setting: Setting): Promise<readonly BenchRow[]> {
  const topics = new Map<BenchServer, string>()
  for (const server of setting.servers) {
    topics.set(server, await createTopic(server, { partitions: 1, durability: 'synced' }))
  }
  const measured = await inTurns(setting, (server) => firstAck(server, topics.get(server) ?? ''))
  const [start, rest] = [{ atMost: 0.2 }, { atMost: 0.35 }]
  return [
    ...compared('start to first ack', measured, { figure: 'ms', unit: 'ms', bar: start }),
    ...compared('resident memory at rest', measured, { figure: 'mb', unit: 'MB', bar: rest }),
  ]
}

async function firstAck(server: BenchServer, topic: string): Promise<Figures> {
  await server.terminate()
  const frame = requestOfOneRecord(topic)
  const startedMs = performance.now()
  server.restart()
  await firstAcknowledged(server.port, frame)
  const ms = performance.now() - startedMs
  await delay(REST_MS)
  return { ms, mb: usageOf(server.pid).residentBytes / 1e6 }
}

/** Sends the request to a broker that starts, again and again, until it is acknowledged. */
export async function firstAcknowledged(port: number, frame: Buffer): Promise<void> {
  const startedMs = performance.now()
  while (!(await isAcknowledged(port, frame))) {
    if (performance.now() - startedMs > START_DEADLINE_MS) throw new Error('no ack after the start')
    await delay(RETRY_MS)
  }
}

export function requestOfOneRecord(topic: string): Buffer {
  const record = { key: null, value: Buffer.from('first'), timestampMs: Date.now() }
  const records = encodeBatch({ records: [record] }, crc32c)
  const topicData = [{ name: topic, partitionData: [{ index: 0, records }] }]
  return Buffer.concat(
    encodeRequest({
      name: 'Produce',
      version: 9,
      correlationId: 1,
      clientId: 'bench',
      body: { acks: -1, timeoutMs: 30_000, topicData },
    }),
  )
}

/** One attempt: false when nobody listens, the connection ends, or the broker says not yet. */
async function isAcknowledged(port: number, frame: Buffer): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  try {
    socket.write(frame)
    let answer = Buffer.alloc(0)
    const closed = once(socket, 'close').then(() => undefined)
    while (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) {
      const chunk = await Promise.race([once(socket, 'data'), closed])
      if (chunk === undefined) return false
      answer = Buffer.concat([answer, chunk[0] as Buffer])
    }
    const { body } = decodeResponse('Produce', 9, answer.subarray(4))
    return body.responses[0]?.partitionResponses[0]?.errorCode === 'NONE'
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
