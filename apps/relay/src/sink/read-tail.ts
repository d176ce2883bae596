import { EVENT_HEADERS } from '@fairlead/base'
import { type EventPosition, SOURCE_HEADER, parsePosition } from '@fairlead/cdc'
import type { Admin, IncomingRecord, Reader } from '@fairlead/kafka'
import { SessionFailure } from '../session-failure.ts'
import { recordSizeBytes, sentBytes } from './event-size.ts'
import { PartitionTail } from './partition-tail.ts'

export type TailRequest = {
  readonly admin: Admin
  readonly reader: Reader
  readonly source: string
  readonly topic: string
  readonly partition: number
  /** So many of our records are enough. */
  readonly tailRecordCount: number
  /** Fewer are, too, once so much of them was sent. */
  readonly tailBytes?: number
  /** Of these, what one record counts at most: a larger one was a batch of its own. */
  readonly countedBytesMax?: number
  /** Records of others behind ours beyond which nobody looks for them. */
  readonly scanMax?: number
}

const FETCH_MAX_BYTES = 1_048_576
const FETCH_WAIT_MS = 5_000
/** In records. The first step is short, since records may be large. */
const STEP_MIN = 16
/** Each step back is longer: for records of others, gaps of compaction, control batches. */
const STEP_GROWTH = 4
const STEP_MAX = 16_384
const SCAN_MAX = 1_000_000
/** Of records that came meanwhile; with more of them a tail is read from its end again. */
const CATCH_UP_MAX = 16_384
const POSITIONS_MAX = 65_536

/**
 * What of a partition was read, from its end backwards. It outlives the session that read it: where
 * that did not suffice the next one goes on, after a look at what was appended since.
 */
export class TailProgress {
  tail = new PartitionTail([], { holdsEarlier: false })
  sizeBytes = 0
  /** Every record from here up to before `to` was read. */
  from = 0
  to = 0
  /** Told by how many positions it has changed. */
  readonly #onChange: (count: number) => void

  constructor(onChange: (count: number) => void = () => undefined) {
    this.#onChange = onChange
  }

  /** Begins at the end of the log, unless what is known reaches up to it, nearly. */
  reach(end: number): void {
    const isNear = this.to > 0 && end >= this.to && end - this.to <= CATCH_UP_MAX
    if (isNear && this.tail.count <= POSITIONS_MAX) return
    this.#onChange(-this.tail.count)
    this.tail = new PartitionTail([], { holdsEarlier: false })
    this.sizeBytes = 0
    this.from = end
    this.to = end
  }

  add({ positions, sizeBytes }: Piece): void {
    for (const position of positions) this.tail.add(position)
    this.sizeBytes += sizeBytes
    this.#onChange(positions.length)
  }
}

/** Records of our source among those that were read. */
type Piece = { readonly positions: readonly EventPosition[]; readonly sizeBytes: number }

/**
 * The last records of our source in a partition, in pieces of bounded size, the newest first.
 *
 * The end is that of the log, not what can be read now: a record of a relay that died may be
 * appended and not durable yet. It becomes readable within the wait of a fetch, or the session fails.
 */
export async function readTail(
  request: TailRequest,
  progress: TailProgress = new TailProgress(),
): Promise<PartitionTail> {
  const { admin, topic, partition, tailRecordCount } = request
  const { tailBytes = Number.POSITIVE_INFINITY, scanMax = SCAN_MAX } = request
  const [end, start] = await Promise.all([
    admin.listOffsets({ topic, partition, timestamp: 'logEnd' }),
    admin.listOffsets({ topic, partition, timestamp: 'earliest' }),
  ])
  progress.reach(end)
  if (progress.to < end) {
    progress.add(await readPiece(request, { from: progress.to, to: end }))
    progress.to = end
  }
  const { tail } = progress
  const isDeep = () => tail.count >= tailRecordCount || progress.sizeBytes >= tailBytes
  let step = STEP_MIN
  while (progress.from > start && progress.to - progress.from < scanMax) {
    if (isDeep()) break
    const from = Math.max(start, progress.from - step)
    progress.add(await readPiece(request, { from, to: progress.from }))
    progress.from = from
    step = Math.min(step * STEP_GROWTH, STEP_MAX)
  }
  // Of a partition that was read from its beginning nothing else was ever there.
  tail.holdsEarlier = progress.from > 0 && isDeep()
  return tail
}

/** Of the records of our source from offset `from` up to before `to`. */
async function readPiece(
  request: TailRequest,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Piece> {
  const { reader, source, topic, partition } = request
  const { countedBytesMax = Number.POSITIVE_INFINITY } = request
  const positions: EventPosition[] = []
  let sizeBytes = 0
  await readRecords(reader, { topic, partition, from, to }, (record) => {
    const position = positionOf(record, source)
    if (position === undefined) return
    positions.push(position)
    sizeBytes += Math.min(sentBytes(recordSizeBytes(record), 1), countedBytesMax)
  })
  return { positions, sizeBytes }
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
