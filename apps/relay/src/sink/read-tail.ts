import { EVENT_HEADERS } from '@fairlead/base'
import { type EventPosition, SOURCE_HEADER, parsePosition } from '@fairlead/cdc'
import type { Admin, IncomingRecord, Reader } from '@fairlead/kafka'
import { SessionFailure } from '../session-failure.ts'
import { PartitionTail } from './partition-tail.ts'

export type TailRequest = {
  readonly admin: Admin
  readonly reader: Reader
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly tailRecordCount: number
  /** Records of others behind ours beyond which nobody looks for them. */
  readonly scanMax?: number
}

const FETCH_MAX_BYTES = 1_048_576
const FETCH_WAIT_MS = 5_000
/** Each step back is twice as long: for records of others, gaps of compaction, control batches. */
const STEP_GROWTH = 2
const SCAN_MAX = 1_000_000

/**
 * The last records of our source in a partition.
 *
 * The end is that of the log, not what can be read now: a record of a relay that died may be
 * appended and not durable yet. It becomes readable within the wait of a fetch, or the session fails.
 */
export async function readTail(request: TailRequest): Promise<PartitionTail> {
  const { admin, topic, partition, tailRecordCount, scanMax = SCAN_MAX } = request
  const end = await admin.listOffsets({ topic, partition, timestamp: 'logEnd' })
  const start = await admin.listOffsets({ topic, partition, timestamp: 'earliest' })
  const positions: EventPosition[] = []
  let readFrom = end
  for (let step = tailRecordCount; readFrom > start; step *= STEP_GROWTH) {
    const from = Math.max(start, readFrom - step)
    positions.push(...(await readPositions(request, { from, to: readFrom })))
    readFrom = from
    if (positions.length >= tailRecordCount || end - readFrom >= scanMax) break
  }
  return new PartitionTail(positions, { isWhole: readFrom === 0 })
}

/** Of the records of our source from offset `from` up to before `to`. */
async function readPositions(
  { reader, source, topic, partition }: TailRequest,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<readonly EventPosition[]> {
  const positions: EventPosition[] = []
  await readRecords(reader, { topic, partition, from, to }, (record) => {
    const position = positionOf(record, source)
    if (position !== undefined) positions.push(position)
  })
  return positions
}

/**
 * Every record from offset `from` up to before `to`.
 *
 * @throws {SessionFailure} when one cannot be read within the wait of a fetch.
 */
export async function readRecords(
  reader: Reader,
  range: {
    readonly topic: string
    readonly partition: number
    readonly from: number
    readonly to: number
  },
  onRecord: (record: IncomingRecord) => void,
): Promise<void> {
  const { topic, partition, from, to } = range
  let fromOffset = from
  while (fromOffset < to) {
    const fetched = await reader.fetch({
      topic,
      partition,
      fromOffset,
      maxWaitMs: FETCH_WAIT_MS,
      maxBytes: FETCH_MAX_BYTES,
      // What was aborted is not published.
      isolation: 'read_committed',
    })
    for (const record of fetched.records) if (record.offset < to) onRecord(record)
    // An incomplete tail would let what lies behind it be published twice.
    if (fetched.nextOffset <= fromOffset) throw unreadableTail(topic, partition, fromOffset)
    fromOffset = fetched.nextOffset
  }
}

/** Of a record in commit order. A replayed one is not: nothing follows from its position. */
function positionOf(record: IncomingRecord, source: string): EventPosition | undefined {
  if (headerText(record, SOURCE_HEADER) !== source) return undefined
  if (headerText(record, EVENT_HEADERS.replayed) !== undefined) return undefined
  return parsePosition(
    headerText(record, EVENT_HEADERS.commitLsn),
    headerText(record, EVENT_HEADERS.commitIndex),
  )
}

const TEXT = new TextDecoder()

export function headerText(record: IncomingRecord, name: string): string | undefined {
  const value = record.headers.find(([key]) => key === name)?.[1]
  return value === undefined || value === null ? undefined : TEXT.decode(value)
}

function unreadableTail(topic: string, partition: number, offset: number): SessionFailure {
  const reason = `${topic}-${partition} gives nothing at offset ${offset}, before its end`
  return new SessionFailure({ kind: 'sink-failed', code: 'TAIL_UNREADABLE', reason })
}
