import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAdmin } from '@fairlead/kafka'
import { PacedProducer } from './paced-producer.ts'
import type { BenchRow } from './report.ts'
import { type RunningBroker, startBroker, temporaryDirectory } from './services.ts'
import { usageBetween, usageOf } from './usage.ts'

const LOAD_BYTES_PER_SECOND = 50_000_000
const COMPACTED_BYTES_PER_SECOND = 5_000_000
const RECORD_BYTES = 1024
const KEYS = 20_000
const PARTITIONS = 4
const WARM_UP_MS = 5_000
const MEASURED_MS = 20_000
const SEGMENT_BYTES = 4 * 1024 * 1024
const P99_MS_MAX = 10

/** Everything that works in the background does so all the time. */
const BUSY = {
  'log.cleaner.backoff.ms': 50,
  'log.scrub.interval.ms': 1_000,
  'log.scrub.io.max.bytes.per.second': 50_000_000,
}
const IDLE = { 'log.cleaner.enable': 'false', 'log.scrub.enable': 'false' }

/**
 * Delay of the broker's event loop while 50 MB/s are produced, with compaction and scrub at work and
 * without, beside that of a process that does nothing on the same machine at the same time.
 */
export async function benchEventLoop(): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  for (const [name, settings] of [
    ['nothing in the background', IDLE],
    ['compaction and scrub', BUSY],
  ] as const) {
    rows.push(...(await measure(name, settings)))
  }
  return rows
}

async function measure(
  name: string,
  settings: Readonly<Record<string, string | number>>,
): Promise<readonly BenchRow[]> {
  using directory = await temporaryDirectory()
  await using broker = await startBroker(join(directory.path, 'log'), 'group', settings)
  await createTopics(broker)
  const common = { port: broker.port, partitions: PARTITIONS, recordBytes: RECORD_BYTES }
  const load = await PacedProducer.start({
    ...common,
    topic: 'load',
    keys: 0,
    bytesPerSecond: LOAD_BYTES_PER_SECOND,
  })
  const compacted = await PacedProducer.start({
    ...common,
    topic: 'compacted',
    keys: KEYS,
    bytesPerSecond: COMPACTED_BYTES_PER_SECOND,
  })
  await sleep(WARM_UP_MS)
  await delaySinceLastScrape(broker)
  const idle = monitorEventLoopDelay({ resolution: 10 })
  idle.enable()
  const before = { usage: usageOf(broker.app.pid), bytes: load.producedBytes }
  await sleep(MEASURED_MS)
  const p99Ms = await delaySinceLastScrape(broker)
  const usage = usageBetween(before.usage, usageOf(broker.app.pid))
  const megabytesPerSecond = (load.producedBytes - before.bytes) / MEASURED_MS / 1000
  const background = await backgroundWork(broker)
  load.stop()
  compacted.stop()
  const baseline = `${name}: the load generator's own p99`
  return [
    { name: baseline, rate: Math.max(idle.percentile(99) / 1e6 - 10, 0), unit: 'ms' },
    {
      name: `${name}: p99 of the event loop (bar: < ${P99_MS_MAX} ms)`,
      rate: p99Ms,
      unit: 'ms',
      usage,
      baseline,
    },
    { name: `${name}: produced`, rate: megabytesPerSecond, unit: 'MB/s' },
    { name: `${name}: logs compacted`, rate: background.compactions, unit: 'in all' },
    { name: `${name}: scrubbed`, rate: background.scrubbedBytes / 1e6, unit: 'MB' },
  ]
}

async function createTopics(broker: RunningBroker): Promise<void> {
  const admin = createAdmin({ bootstrapServers: [broker.address], clientId: 'bench' })
  await admin.createTopics([
    {
      topic: 'load',
      partitions: PARTITIONS,
      // A disk of a laptop holds the run.
      configs: { 'retention.bytes': '200000000', 'segment.bytes': '50000000' },
    },
    {
      topic: 'compacted',
      partitions: PARTITIONS,
      configs: {
        'cleanup.policy': 'compact',
        'segment.bytes': String(SEGMENT_BYTES),
        'min.cleanable.dirty.ratio': '0.1',
      },
    },
  ])
  await admin.close()
}

/** In milliseconds; each scrape begins the next window. */
async function delaySinceLastScrape(broker: RunningBroker): Promise<number> {
  return (await metric(broker, 'event_loop_delay_p99_seconds')) * 1000
}

async function backgroundWork(broker: RunningBroker) {
  const compactions = broker.app.logLines.filter((line) => line.includes('a log was compacted'))
  const scrubbedBytes = await metric(broker, 'fairlead_scrub_read_bytes')
  return { compactions: compactions.length, scrubbedBytes }
}

async function metric({ app }: RunningBroker, name: string): Promise<number> {
  const response = await fetch(`${app.url}/metrics`)
  const line = (await response.text()).split('\n').find((text) => text.startsWith(`${name} `))
  return Number(line?.split(' ')[1] ?? Number.NaN)
}
