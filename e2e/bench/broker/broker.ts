import { join } from 'node:path'
import { apacheKafkaAbsence } from '../../support/apache-kafka.ts'
import type { BenchOptions } from '../options.ts'
import type { BenchRow } from '../report.ts'
import { sectionsOf } from '../sections.ts'
import { temporaryDirectory } from '../services.ts'
import { usageOf } from '../usage.ts'
import { benchConnections } from './connections.ts'
import { benchConsume } from './consume.ts'
import { benchLatency } from './latency.ts'
import { benchProduce } from './produce.ts'
import { performanceAbsence, rdkafkaPerformance } from './rdkafka-performance.ts'
import { type Setting, compared } from './rounds.ts'
import { warmUp } from './warm-up.ts'
import { type BenchServer, startApacheKafka, startFairlead } from './servers.ts'
import { benchStart } from './start.ts'

type Section = {
  readonly needsPerformance: boolean
  readonly run: (setting: Setting) => Promise<readonly BenchRow[]>
}

/** In this order: memory under load is what the sections before it have left. */
const SECTIONS: Readonly<Record<string, Section>> = {
  start: { needsPerformance: false, run: benchStart },
  connections: { needsPerformance: false, run: benchConnections },
  latency: { needsPerformance: true, run: benchLatency },
  produce: { needsPerformance: true, run: benchProduce },
  consume: { needsPerformance: true, run: benchConsume },
  load: { needsPerformance: true, run: peakMemory },
}
export const BROKER_SECTIONS = Object.keys(SECTIONS)
const QUICK_SCALE = 0.25

/** This broker and Apache Kafka, side by side, in turns, under librdkafka's load generator; by section. */
export async function* benchBroker(options: BenchOptions): AsyncGenerator<readonly BenchRow[]> {
  const sections = sectionsOf(SECTIONS, options.only)
  using directory = await temporaryDirectory()
  await using servers = new AsyncDisposableStack()
  const performance = await performanceProgram()
  const setting: Setting = {
    servers: [...(await baseline(servers)), await fairlead(servers, directory.path)],
    performance: performance ?? '',
    rounds: options.rounds,
    scale: options.isQuick ? QUICK_SCALE : 1,
    directory: directory.path,
    isWanted: (load) =>
      options.match.length === 0 || options.match.some((part) => load.includes(part)),
  }
  let isWarm = false
  for (const section of sections) {
    if (section.needsPerformance && performance === undefined) continue
    // After the starts, which begin with a new process.
    if (section.needsPerformance && !isWarm) await warmUp(setting)
    isWarm ||= section.needsPerformance
    yield await section.run(setting)
  }
}

async function fairlead(servers: AsyncDisposableStack, directory: string): Promise<BenchServer> {
  return servers.use(await startFairlead(join(directory, 'fairlead')))
}

async function baseline(servers: AsyncDisposableStack): Promise<BenchServer[]> {
  const absence = apacheKafkaAbsence()
  if (absence === undefined) return [servers.use(await startApacheKafka())]
  console.log(`There is no baseline, since Apache Kafka cannot run here: ${absence}`)
  return []
}

async function performanceProgram(): Promise<string | undefined> {
  const absence = performanceAbsence()
  if (absence === undefined) return rdkafkaPerformance()
  console.log(`Nothing is measured under load: ${absence}`)
  return undefined
}

/** What the processes have held at most, over everything that was measured before. */
function peakMemory({ servers }: Setting): Promise<readonly BenchRow[]> {
  const measured = servers.map((server) => {
    const usage = usageOf(server.pid)
    return { server, usage, figures: { mb: usage.peakBytes / 1e6 } }
  })
  const bar = { atMost: 0.35 }
  return Promise.resolve(
    compared('resident memory under load, peak', measured, { figure: 'mb', unit: 'MB', bar }),
  )
}
