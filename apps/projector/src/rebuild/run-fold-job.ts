import { parentPort, workerData } from 'node:worker_threads'
import { errorMessage, invariant } from '@fairlead/base'
import { partitionOfKey } from '@fairlead/kafka'
import {
  type FoldProjection,
  type PreparedRecord,
  mayMeetOtherSpellings,
  planOf,
} from '@fairlead/projection'
import { createAvroSerde, createRegistryClient } from '@fairlead/serde'
import { loadProjections } from '../load-projections.ts'
import { kafkaLogReader } from '../log/kafka-event-log.ts'
import { RecordReader } from '../log/prepare-records.ts'
import { isWithin } from './event-bound.ts'
import type { FoldJob, FoldMessage } from './fold-thread.ts'
import { FoldedRows } from './folded-rows.ts'
import { MergedLog } from './merged-log.ts'
import { copyText } from './row-text.ts'

const RECORDS_AT_A_TIME = 1_000

/** The thread of `FoldThread` has one job, and then its rows for as long as somebody asks for them. */
const port = parentPort
invariant(port !== null, 'this module runs as a thread')
const tell = (message: FoldMessage, handedOver: ArrayBuffer[] = []): void =>
  port.postMessage(message, handedOver)

try {
  await run(workerData as FoldJob)
} catch (error) {
  tell({ kind: 'gaveUp', reason: errorMessage(error) })
  port.close()
}

async function run(job: FoldJob): Promise<void> {
  const projection = await findProjection(job)
  const { log, close } = openLog(job, projection)
  const folded = new FoldedRows(projection, [])
  const isOfBound = isWithin(job.bound)
  for (;;) {
    const records = await log.next(RECORDS_AT_A_TIME)
    if (records.length === 0) break
    const within = isOfBound === null ? records : records.filter(isOfBound)
    refuseOthers(within, folded, job)
    refuseSpelledOtherwise(projection, within)
    folded.fold(within, folded.openLedger())
    if (folded.bytesWith(0) > job.memoryBytesMax) throw new Error('its rows do not fit into memory')
    const parkedCount = folded.parkedKeys.size
    tell({ kind: 'progress', progress: { readCount: log.readCount, parkedCount } })
  }
  await close()
  const positions = log.positions()
  const { letters, changed } = folded
  tell({ kind: 'folded', folded: { rowCount: changed.size, positions, letters } })
  giveRows(projection, folded)
}

async function findProjection({ sources, projection }: FoldJob): Promise<FoldProjection> {
  const found = (await loadProjections(sources.modules)).find(
    ({ name, version }) => name === projection.name && version === projection.version,
  )
  invariant(found?.kind === 'fold', 'the modules define what the process runs')
  return found
}

function openLog(job: FoldJob, projection: FoldProjection) {
  const { sources, sections, fetchBytesMax, aheadMaxMs, tenantHeader, includedTenants } = job
  const { bootstrapServers, clientId, security, registry } = sources
  const topic = kafkaLogReader({ bootstrapServers, clientId, security })
  const serde = createAvroSerde({ registry: createRegistryClient(registry) })
  const records = new RecordReader(projection, serde, {
    nowMs: () => Date.now(),
    aheadMaxMs,
    tenantHeader,
    includedTenants,
  })
  const log = new MergedLog({
    log: topic,
    prepare: (fetched) => records.prepareLazily(fetched),
    partitions: sections,
    fetchBytesMax,
    onTrouble: (reason) => tell({ kind: 'trouble', reason }),
    // The thread is ended from outside.
    signal: new AbortController().signal,
  })
  return { log, close: () => topic.close() }
}

/**
 * A key that is not in the partition which Kafka's partitioner has for it may be in another one, too: it
 * was moved when the topic grew, or somebody partitions in another way. Rows of keys that were looked at
 * before need no second look.
 */
function refuseOthers(
  records: readonly PreparedRecord[],
  { changed }: FoldedRows,
  { partitionCount }: FoldJob,
): void {
  for (const prepared of records) {
    const { eventType, eventKey, record } = prepared
    if (planOf(prepared) === 'unknown') throw new Error(`${eventType} is not defined`)
    if (eventKey !== undefined && changed.has(eventKey)) continue
    const { key, partition, offset } = record
    if (key === null || partitionOfKey(key, partitionCount) === partition) continue
    throw new Error(
      `the key at offset ${offset} of partition ${partition} may be in another one, too`,
    )
  }
}

/** As each spelling is a key of its own to the log, a row may have events in partitions of several threads. */
function refuseSpelledOtherwise(
  projection: FoldProjection,
  records: readonly PreparedRecord[],
): void {
  if (!mayMeetOtherSpellings(projection, records)) return
  throw new Error('keys of events are spelled otherwise than Postgres does')
}

/** A chunk for each request. */
function giveRows({ table }: FoldProjection, folded: FoldedRows): void {
  const texts = copyText(table, folded.rows())
  const utf8 = new TextEncoder()
  port?.on('message', () => {
    try {
      const next = texts.next()
      const chunk = next.done === true ? null : utf8.encode(next.value)
      tell({ kind: 'rows', chunk }, chunk === null ? [] : [chunk.buffer])
    } catch (error) {
      tell({ kind: 'gaveUp', reason: errorMessage(error) })
    }
  })
}
