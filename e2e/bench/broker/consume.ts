import type { BenchRow } from '../report.ts'
import { type ProduceLoad, produce, recordsPerRound } from './produce.ts'
import { performLoad } from './rdkafka-performance.ts'
import { type Setting, compared, inTurns } from './rounds.ts'
import type { BenchServer } from './servers.ts'
import { createTopic, withTopic } from './topics.ts'

const LOADS = [
  { recordBytes: 1024, partitions: 1 },
  { recordBytes: 100, partitions: 1 },
  { recordBytes: 1024, partitions: 12 },
] as const

/** librdkafka's default. With the program's own, a million, the client's memory is what is measured. */
const PREFETCHED_RECORDS = 100_000

type Load = (typeof LOADS)[number]

const RATE = { figure: 'rate', unit: 'records/s', bar: { atLeast: 1 } } as const

/** librdkafka's load generator as a consumer: of what was stored before, and beside a producer. */
export async function benchConsume(setting: Setting): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  for (const load of LOADS) {
    for (const [where, measure] of Object.entries({
      'from the start': fromStart,
      'at the tail': atTail,
    })) {
      const what = `consume ${where}, ${load.recordBytes} B, ${load.partitions} partitions`
      if (!setting.isWanted(what)) continue
      rows.push(...compared(what, await measure(setting, load), RATE))
    }
  }
  return rows
}

async function fromStart(setting: Setting, load: Load) {
  // Twice what a producer gets: consumers are twice as fast.
  const records = 2 * recordsPerRound(load.recordBytes, setting.scale)
  const topics = new Map<BenchServer, string>()
  for (const server of setting.servers) {
    const topic = await createTopic(server, { ...load, durability: 'written' })
    await produce(setting, { server, topic, records, codec: 'none', ...load })
    topics.set(server, topic)
  }
  return inTurns(setting, async (server) => {
    const topic = topics.get(server) ?? ''
    const { seconds } = await consume(setting, { server, topic, records, ...load })
    return { rate: records / seconds }
  })
}

/** The consumer waits for the first record when the producer starts; both take what processor they can. */
function atTail(setting: Setting, load: Load) {
  const records = recordsPerRound(load.recordBytes, setting.scale)
  return inTurns(setting, (server) =>
    withTopic(server, { ...load, durability: 'written' }, async (topic) => {
      const startedMs = performance.now()
      await Promise.all([
        consume(setting, { server, topic, records, ...load }),
        produce(setting, { server, topic, records, codec: 'none', ...load }),
      ])
      return { rate: records / ((performance.now() - startedMs) / 1_000) }
    }),
  )
}

export function consume(
  setting: Pick<Setting, 'performance'>,
  load: Omit<ProduceLoad, 'durability' | 'codec'> & {
    readonly server: BenchServer
    readonly topic: string
    readonly records: number
  },
): ReturnType<typeof performLoad> {
  const { server, topic, records } = load
  const partitions = Array.from({ length: load.partitions }, (_, index) => ['-p', String(index)])
  // Not in batches (-B): for a last one that is not full the program waits a second.
  const target = ['-C', '-b', server.address, '-t', topic]
  const range = ['-o', 'beginning', '-c', String(records)]
  const prefetch = ['-X', `queued.min.messages=${PREFETCHED_RECORDS}`]
  return performLoad(setting.performance, [...target, ...partitions.flat(), ...range, ...prefetch])
}
