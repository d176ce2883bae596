import type { Lsn } from '@fairlead/base'
import { readTail } from '../sink/read-tail.ts'
import type { SinkClients } from '../sink/sink-clients.ts'

/** Records of others behind the last one of ours in a partition. */
const SCAN_MAX = 10_000
const INTERNAL_TOPIC = /^__/

/** The newest commit of a source that any topic has a record of; undefined when there is none. */
export async function newestPublished(sink: SinkClients, source: string): Promise<Lsn | undefined> {
  const { admin, reader } = sink
  let newest: Lsn | undefined
  for (const topic of await admin.listTopics()) {
    if (INTERNAL_TOPIC.test(topic)) continue
    const partitionCount = (await admin.partitionCount(topic)) ?? 0
    for (let partition = 0; partition < partitionCount; partition += 1) {
      const request = { admin, reader, source, topic, partition }
      const tail = await readTail({ ...request, tailRecordCount: 1, scanMax: SCAN_MAX })
      const commitLsn = tail.newest?.commitLsn
      if (commitLsn !== undefined && (newest === undefined || commitLsn > newest)) {
        newest = commitLsn
      }
    }
  }
  return newest
}
