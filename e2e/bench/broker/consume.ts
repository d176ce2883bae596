import type { BenchRow } from '../report.ts'
import { produce, recordsPerRound } from './produce.ts'
import { performLoad } from './rdkafka-performance.ts'
import { type Setting, compared, inTurns } from './rounds.ts'
import type { BenchServer } from './servers.ts'
import { createTopic, withTopic } from './topics.ts'

const LOADS = [
  { recordBytes: 1024, partitions: 1 },
  { recordBytes: 100, partitions: 1 },
  { recordBytes: 1024, partitions: 12 },
] as const

type Load = (typeof LOADS)[number]

const RATE = { figure: 'rate', unit: 'records/s', bar: { atLeast: 1 } } as const

/** librdkafka's load generator as a consumer: of what was stored before, and beside a producer. */
export async function benchConsume(setting: Setting): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  for (const load of LOADS) {
    const name = `${load.recordBytes} B, ${load.partitions} partitions`
    rows.push(...compared(`consume from the start, ${name}`, await fromStart(setting, load), RATE))
    rows.push(...compared(`consume at the tail, ${name}`, await atTail(setting, load), RATE))
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

function consume(
  setting: Setting,
  load: Load & { readonly server: BenchServer; readonly topic: string; readonly records: number },
): ReturnType<typeof performLoad> {
  const { server, topic, records } = load
  const partitions = Array.from({ length: load.partitions }, (_, index) => ['-p', String(index)])
  const target = ['-C', '-B', '1000', '-b', server.address, '-t', topic]
  const range = ['-o', 'beginning', '-c', String(records)]
  return performLoad(setting.performance, [...target, ...partitions.flat(), ...range])
}
