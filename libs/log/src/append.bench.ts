import { BufferPool } from '@fairlead/base'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32c, encodeBatch } from '@fairlead/protocol'
import { nativeCrc32c, nodeDisk } from '@fairlead/runtime'
import {
  type AppendResult,
  DEFAULT_LOG_CONFIG,
  IndexCache,
  type LogConfig,
  type PartitionLog,
  TailCache,
  openPartitionLog,
} from './index.ts'

/**
 * How many bytes and records a partition takes per second on this machine's disk:
 * `node libs/log/src/append.bench.ts [directory]`. A number of appends is kept in flight, as a
 * broker with that many pipelined producers would.
 */
const DURATION_MS = 3000
const IN_FLIGHT = 32

type Scenario = {
  readonly recordBytes: number
  readonly batchBytes: number
  readonly durability: LogConfig['durability']
}

const SCENARIOS: readonly Scenario[] = [
  { recordBytes: 1024, batchBytes: 16_384, durability: 'group' },
  { recordBytes: 1024, batchBytes: 65_536, durability: 'group' },
  { recordBytes: 1024, batchBytes: 65_536, durability: 'os' },
  { recordBytes: 100, batchBytes: 16_384, durability: 'group' },
  { recordBytes: 100, batchBytes: 65_536, durability: 'os' },
]

const root = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'fairlead-bench-'))
for (const [index, scenario] of SCENARIOS.entries()) {
  process.stdout.write(`${await measure(scenario, `${root}/bench-${index}`)}\n`)
}
rmSync(root, { recursive: true })

async function measure(scenario: Scenario, directory: string): Promise<string> {
  const { recordBytes, batchBytes, durability } = scenario
  const log = await opened(directory, durability)
  const recordCount = Math.floor(batchBytes / recordBytes)
  const template = batchOf(recordCount, recordBytes)
  const context = { leaderEpoch: 0, nowMs: Date.now(), origin: 'client' } as const
  const latenciesMs: number[] = []
  const startMs = performance.now()
  const cpuStart = process.cpuUsage()
  let batchCount = 0

  const produce = async (): Promise<void> => {
    while (performance.now() - startMs < DURATION_MS) {
      const sentMs = performance.now()
      // Each request arrives in a buffer of its own; the copy stands for the socket.
      const records = template.slice()
      const answer = await new Promise<AppendResult>((resolve) =>
        log.append(records, context, resolve),
      )
      if (!answer.ok) throw new Error(answer.message)
      batchCount += 1
      latenciesMs.push(performance.now() - sentMs)
      // In mode os an append is answered at once: let the event loop turn as a socket would.
      if (durability === 'os') await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, produce))

  const seconds = (performance.now() - startMs) / 1000
  const cpu = process.cpuUsage(cpuStart)
  await new Promise((resolve) => log.delete(resolve))
  latenciesMs.sort((left, right) => left - right)
  const at = (share: number) =>
    (latenciesMs[Math.floor(latenciesMs.length * share)] ?? 0).toFixed(1)
  const megabytes = (batchCount * template.length) / 1e6
  return [
    `${recordBytes} B records, ${batchBytes} B batches, ${durability}:`,
    `${(megabytes / seconds).toFixed(0)} MB/s,`,
    `${((batchCount * recordCount) / seconds / 1000).toFixed(0)} k records/s,`,
    `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms,`,
    `${((cpu.user + cpu.system) / 1000 / megabytes).toFixed(2)} ms CPU per MB`,
  ].join(' ')
}

function opened(directory: string, durability: LogConfig['durability']): Promise<PartitionLog> {
  const buffers = new BufferPool({
    pooledBytesMin: 32_768,
    pooledBytesMax: 4_194_304,
    freeBytesMax: 67_108_864,
  })
  return new Promise((resolve, reject) =>
    openPartitionLog(
      {
        disk: nodeDisk(),
        directory,
        config: { ...DEFAULT_LOG_CONFIG, durability },
        crc32c: nativeCrc32c,
        indexCache: new IndexCache({ budgetBytes: 67_108_864 }),
        tailCache: new TailCache({ budgetBytes: 67_108_864, buffers }),
        buffers,
        nowMs: Date.now(),
        onFailure: reject,
      },
      (result) => (result.ok ? resolve(result.value) : reject(result.error)),
    ),
  )
}

function batchOf(recordCount: number, recordBytes: number): Uint8Array {
  const value = new Uint8Array(recordBytes).fill(120)
  const record = { key: null, value, headers: [], timestampMs: Date.now() }
  return encodeBatch({ records: Array.from({ length: recordCount }, () => record) }, crc32c)
}
