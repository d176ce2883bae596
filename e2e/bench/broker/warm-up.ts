import { consume } from './consume.ts'
import { produce, recordsPerRound } from './produce.ts'
import type { Setting } from './rounds.ts'
import { withTopic } from './topics.ts'

const LOADS = [
  { recordBytes: 1024, partitions: 12, codec: 'none' },
  { recordBytes: 100, partitions: 1, codec: 'lz4' },
] as const

/** A round of work for each server that is not counted, so that none is measured while it compiles. */
export async function warmUp(setting: Setting): Promise<void> {
  for (const server of setting.servers) {
    for (const load of LOADS) {
      const records = recordsPerRound(load.recordBytes, setting.scale)
      await withTopic(server, { ...load, durability: 'written' }, async (topic) => {
        await produce(setting, { server, topic, records, ...load })
        await consume(setting, { server, topic, records, ...load })
      })
    }
  }
}
