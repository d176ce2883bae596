import type { BenchRow } from '../report.ts'
import { performLoad } from './rdkafka-performance.ts'
import { type Setting, compared, inTurns } from './rounds.ts'
import type { BenchServer, Durability } from './servers.ts'
import { withTopic } from './topics.ts'

export type ProduceLoad = {
  readonly recordBytes: number
  readonly partitions: number
  readonly codec: 'none' | 'lz4'
  readonly durability: Durability
}

/** Some seconds for a broker on two cores, whose generator takes one of them. */
const BYTES_PER_ROUND = 400_000_000
/** librdkafka's default. The program's own, a second, would be most of a round. */
const LINGER_MS = 5
const RECORDS_PER_ROUND_MAX = 2_000_000

const LOADS: readonly ProduceLoad[] = (['written', 'synced'] as const).flatMap((durability) =>
  [1024, 100].flatMap((recordBytes) =>
    [1, 12].flatMap((partitions) =>
      (['none', 'lz4'] as const).map((codec) => ({ recordBytes, partitions, codec, durability })),
    ),
  ),
)

/** librdkafka's load generator at acks=all, with the library's defaults for batches and linger. */
export async function benchProduce(setting: Setting): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  for (const load of LOADS) {
    const { durability, recordBytes, partitions, codec } = load
    const what = `produce ${durability}, ${recordBytes} B, ${partitions} partitions, ${codec}`
    if (!setting.isWanted(what)) continue
    const records = recordsPerRound(recordBytes, setting.scale)
    const measured = await inTurns(setting, (server) =>
      withTopic(server, load, async (topic) => {
        const { seconds } = await produce(setting, { server, topic, records, ...load })
        return { rate: records / seconds }
      }),
    )
    rows.push(
      ...compared(what, measured, { figure: 'rate', unit: 'records/s', bar: { atLeast: 1 } }),
    )
  }
  return rows
}

export function recordsPerRound(recordBytes: number, scale: number): number {
  return Math.round(Math.min(BYTES_PER_ROUND / recordBytes, RECORDS_PER_ROUND_MAX) * scale)
}

export function produce(
  { performance }: Pick<Setting, 'performance'>,
  load: Pick<ProduceLoad, 'recordBytes' | 'partitions' | 'codec'> & {
    readonly server: BenchServer
    readonly topic: string
    readonly records: number
  },
): ReturnType<typeof performLoad> {
  const { server, topic, recordBytes, records, partitions, codec } = load
  const target = ['-P', '-b', server.address, '-t', topic, '-a', '-1']
  return performLoad(performance, [
    ...target,
    '-s',
    String(recordBytes),
    '-c',
    String(records),
    '-X',
    `linger.ms=${LINGER_MS}`,
    ...(partitions === 1 ? ['-p', '0'] : []),
    ...(codec === 'none' ? [] : ['-X', `compression.codec=${codec}`]),
  ])
}
