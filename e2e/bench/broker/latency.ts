import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { BenchRow } from '../report.ts'
import { performLoad } from './rdkafka-performance.ts'
import { type Figures, type Setting, compared, inTurns } from './rounds.ts'
import type { BenchServer } from './servers.ts'
import { withTopic } from './topics.ts'

const RECORDS_PER_SECOND = 1_000
const SECONDS_PER_ROUND = 10
const RECORD_BYTES = 100
/** Connections, metadata and code that has not run before belong to the start, not to the figures. */
const WARM_UP_SHARE = 0.2

/** From the call of the producer to the callback of the consumer, both without linger. */
export async function benchLatency(setting: Setting): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  for (const durability of ['written', 'synced'] as const) {
    const what = `end to end ${durability}, ${RECORDS_PER_SECOND} records/s`
    if (!setting.isWanted(what)) continue
    const measured = await inTurns(setting, (server) =>
      withTopic(server, { partitions: 1, durability }, (topic) => endToEnd(setting, server, topic)),
    )
    rows.push(...compared(`${what}, p50`, measured, { figure: 'p50', unit: 'ms' }))
    const bar = { atMost: 0.7 }
    rows.push(...compared(`${what}, p99`, measured, { figure: 'p99', unit: 'ms', bar }))
  }
  return rows
}

async function endToEnd(setting: Setting, server: BenchServer, topic: string): Promise<Figures> {
  const records = Math.round(RECORDS_PER_SECOND * SECONDS_PER_ROUND * setting.scale)
  const file = join(setting.directory, `${topic}.latencies`)
  const target = ['-b', server.address, '-t', topic, '-p', '0', '-c', String(records), '-l']
  const pace = ['-r', String(RECORDS_PER_SECOND), '-X', 'linger.ms=0']
  const record = ['-a', '-1', '-s', String(RECORD_BYTES)]
  await Promise.all([
    performLoad(setting.performance, ['-C', ...target, '-o', 'beginning', '-A', file]),
    performLoad(setting.performance, ['-P', ...target, ...record, ...pace]),
  ])
  const all = (await readFile(file, 'utf8')).trimEnd().split('\n').map(Number)
  await rm(file)
  const sorted = all.slice(all.length * WARM_UP_SHARE).sort((left, right) => left - right)
  const quantileMs = (quantile: number): number =>
    (sorted[Math.floor(sorted.length * quantile)] ?? Number.NaN) / 1_000
  return { p50: quantileMs(0.5), p99: quantileMs(0.99) }
}
