import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { join } from 'node:path'
import { crc32c, encodeBatch, encodeRequest } from '@fairlead/protocol'
import { FrameCounter } from './frame-counter.ts'
import { type BenchRow, median } from './report.ts'
import { createTopic, startBroker, temporaryDirectory } from './services.ts'
import { type Usage, usageBetween, usageOf } from './usage.ts'

/** Records of one request: what a client with `batch.size` of some 64 KiB sends. */
const BATCH_BYTES = 64 * 1024
const IN_FLIGHT = 5
const BYTES_PER_ROUND = 256 * 1024 * 1024
const RECORDS_PER_ROUND_MAX = 1_500_000
const ROUNDS = 3
const RECORD_SIZES = [1024, 100] as const
const TOPIC = 'bench'
const SINK = join(import.meta.dirname, 'tcp-file-sink.ts')

const NOTHING_USED: Usage = { cpuSeconds: 0, residentBytes: 0, peakBytes: 0 }

type Target = { readonly name: string; readonly port: number; readonly pid: number }

/** Produce at acks=all against a process that does nothing but write to a file what TCP brings. */
export async function benchProduce(): Promise<readonly BenchRow[]> {
  using directory = await temporaryDirectory()
  await using sink = await startSink(directory.path)
  await using group = await startBroker(join(directory.path, 'group'), 'group')
  await using os = await startBroker(join(directory.path, 'os'), 'os')
  await createTopic(group, TOPIC, 1)
  await createTopic(os, TOPIC, 1)
  const targets: readonly Target[] = [
    { name: 'plain TCP-to-file sink', port: sink.port, pid: sink.pid },
    { name: 'broker, fsync before the ack', port: group.port, pid: group.app.pid },
    { name: 'broker, log.flush.mode=os', port: os.port, pid: os.app.pid },
  ]
  const rows: BenchRow[] = []
  for (const recordBytes of RECORD_SIZES) rows.push(...(await compare(targets, recordBytes)))
  return rows
}

async function compare(targets: readonly Target[], recordBytes: number): Promise<BenchRow[]> {
  const request = produceRequest(recordBytes)
  const measured = new Map<Target, { rates: number[]; usage: Usage }>()
  // Interleaved, so that a slow minute of the machine hits all targets alike.
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const target of targets) {
      const before = usageOf(target.pid)
      const rate = await produce(target.port, request)
      const usage = usageBetween(before, usageOf(target.pid))
      const { rates } = measured.get(target) ?? { rates: [] }
      measured.set(target, { rates: [...rates, rate], usage })
    }
  }
  const name = (target: Target | undefined) => `${recordBytes} B, ${target?.name}`
  return targets.map((target, index) => ({
    name: name(target),
    rate: median(measured.get(target)?.rates ?? []),
    unit: 'records/s',
    usage: measured.get(target)?.usage ?? NOTHING_USED,
    ...(index === 0 ? {} : { baseline: name(targets[0]) }),
  }))
}

type ProduceRequest = {
  readonly frame: Buffer
  readonly recordCount: number
  readonly requestCount: number
}

/** One request, encoded once: the load generator costs as little as it can. */
function produceRequest(recordBytes: number): ProduceRequest {
  const recordCount = Math.floor(BATCH_BYTES / recordBytes)
  const value = Buffer.alloc(recordBytes, 'x')
  const records = Array.from({ length: recordCount }, () => ({
    key: null,
    value,
    timestampMs: Date.now(),
  }))
  const frame = Buffer.concat(
    encodeRequest({
      name: 'Produce',
      version: 9,
      correlationId: 1,
      clientId: 'bench',
      body: {
        acks: -1,
        timeoutMs: 30_000,
        topicData: [
          {
            name: TOPIC,
            partitionData: [{ index: 0, records: encodeBatch({ records }, crc32c) }],
          },
        ],
      },
    }),
  )
  const total = Math.min(BYTES_PER_ROUND / recordBytes, RECORDS_PER_ROUND_MAX)
  return { frame, recordCount, requestCount: Math.ceil(total / recordCount) }
}

/** Sends the request `requestCount` times with `IN_FLIGHT` of them unanswered; records per second. */
async function produce(port: number, request: ProduceRequest): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const startedMs = performance.now()
  await pump(socket, request)
  const seconds = (performance.now() - startedMs) / 1_000
  socket.destroy()
  return (request.requestCount * request.recordCount) / seconds
}

function pump(socket: Socket, { frame, requestCount }: ProduceRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    let sent = 0
    let answered = 0
    const frames = new FrameCounter()
    const send = () => {
      while (sent < requestCount && sent - answered < IN_FLIGHT) {
        socket.write(frame)
        sent += 1
      }
    }
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      answered += frames.add(chunk)
      if (answered === requestCount) resolve()
      else send()
    })
    send()
  })
}

async function startSink(directory: string) {
  const child: ChildProcess = fork(SINK, [join(directory, 'sink')])
  process.once('exit', () => child.kill())
  const [port] = (await once(child, 'message')) as [number]
  const stop = async () => {
    const exit = once(child, 'exit')
    child.kill()
    await exit
  }
  return { port, pid: child.pid ?? 0, [Symbol.asyncDispose]: stop }
}
