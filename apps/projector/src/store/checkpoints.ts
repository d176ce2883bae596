import { OperationalError, errorMessage, formatLsn, parseLsn } from '@fairlead/base'
import { postgresErrorCode } from '@fairlead/postgres'
import { FencedError, type Progress, type SourceProgress } from '@fairlead/projection'
import { type Kysely, type RawBuilder, type Transaction, sql } from 'kysely'
import type { TopicPartition } from '../log/event-log.ts'
import { storableTime } from './event-time.ts'
import { projectionLabel } from '../projection-label.ts'
import {
  type ProjectionPartition,
  type RegisteredProjection,
  versionOf,
} from './registered-projection.ts'
import { RUNNING_STATES } from './versions.ts'

/** A checkpoint and the fence under which its owner may move it. */
export type HeldCheckpoint = {
  readonly progress: Progress
  readonly fence: bigint
  /** The topic that the offsets are of; null when nobody has noted it yet. */
  readonly topicId: string | null
  /** Of the record before the next one, or of one behind it that was fetched with it; -1 before both. */
  readonly leaderEpoch: number
}

type CheckpointRow = {
  readonly next_offset: bigint
  readonly fence: bigint
  readonly source_lsn: string | null
  readonly source_seq: bigint | null
  readonly source_time: Date | null
  readonly recent_transactions: readonly string[]
  readonly recent_event_counts: EventCounts
  readonly event_time: Date | null
  readonly topic_id: string | null
  readonly leader_epoch: number
}

const COLUMNS = sql`next_offset, fence, source_lsn, source_seq, source_time, event_time,
  recent_transactions::text[], recent_event_counts, topic_id, leader_epoch`

/** Of transactions by id, where it is more than one. */
type EventCounts = Readonly<Record<string, number>>

/**
 * A fence that nobody has had: neither in a former life of the version, whose checkpoints were deleted, nor in
 * transactions that the database has lost. No lease: the clock only keeps lives apart, in each of which fences rise.
 */
const NEW_FENCE = sql`(extract(epoch from clock_timestamp()) * 1000000)::bigint`

/** Undefined when the partition has none yet. */
export async function readCheckpoint(
  db: Kysely<unknown>,
  partition: ProjectionPartition,
): Promise<HeldCheckpoint | undefined> {
  const { rows } = await sql<CheckpointRow>`
    select ${COLUMNS} from evt.checkpoint where ${isRowOf(partition)}`.execute(db)
  const [row] = rows
  return row === undefined ? undefined : heldCheckpoint(row)
}

/**
 * Takes the partition over: raises its fence, so that a batch of the owner before can no longer
 * commit. Waits for one that is committing. A partition without checkpoint starts at `start`.
 *
 * @throws {OperationalError} NOT_RUNNING while the version is built, and after it failed or was retired.
 */
export async function takeOver(
  db: Kysely<unknown>,
  partition: ProjectionPartition,
  start: { readonly offset: number; readonly topicId: string },
): Promise<HeldCheckpoint> {
  const { projection, projectionId } = partition
  const taken = sql<CheckpointRow>`
    insert into evt.checkpoint as held (projection_id, version, topic, part, next_offset, topic_id,
      fence)
    select v.projection_id, v.version, ${partition.topic}, ${partition.partition}::int,
      ${start.offset}::bigint, ${start.topicId}, ${NEW_FENCE}
    from evt.projection_version v
    where v.projection_id = ${projectionId} and v.version = ${projection.version}
      and v.state in (${sql.join(RUNNING_STATES)})
    for share
    on conflict (projection_id, version, topic, part)
      do update set fence = greatest(held.fence + 1, excluded.fence),
        topic_id = coalesce(held.topic_id, excluded.topic_id), updated_at = clock_timestamp()
    returning ${COLUMNS}`
  const { rows } = await taken.execute(db).catch(rethrown)
  const [row] = rows
  if (row !== undefined) return heldCheckpoint(row)
  throw new OperationalError(
    `${projectionLabel(projection)} does not follow the log: it is being built, has failed, or was retired`,
    { code: 'NOT_RUNNING', retryable: true },
  )
}

/** How far a version has come in one partition. */
export type PartitionProgress = TopicPartition & { readonly progress: Progress }

type StoredCheckpoint = PartitionProgress & Pick<HeldCheckpoint, 'topicId'>

/** Where every partition of a version stands; empty before its first checkpoint. */
export async function readCheckpoints(
  db: Kysely<unknown>,
  of: { readonly projectionId: number; readonly version: number },
): Promise<readonly StoredCheckpoint[]> {
  const { rows } = await sql<CheckpointRow & TopicPartition>`
    select topic, part as "partition", ${COLUMNS} from evt.checkpoint
    where projection_id = ${of.projectionId} and version = ${of.version}
    order by topic, part`.execute(db)
  return rows.map((row) => {
    const { topic, partition } = row
    const { progress, topicId } = heldCheckpoint(row)
    return { topic, partition, progress, topicId }
  })
}

/**
 * Stores where the partitions of a version stand that nobody owns, as it is being built, and of which
 * topics these are places. The caller holds the lock of the version.
 */
export async function writeCheckpoints(
  trx: Transaction<unknown>,
  { projection, projectionId }: RegisteredProjection,
  positions: readonly PartitionProgress[],
  topicIds: Readonly<Record<string, string>>,
): Promise<void> {
  const values = positions.map(({ topic, partition, progress }) => {
    const { nextOffset, source, eventTimeMs } = progress
    return sql`(${projectionId}::int, ${projection.version}::int, ${topic}, ${partition}::int,
      ${nextOffset}::bigint, ${source === null ? null : formatLsn(source.commitLsn)}::pg_lsn,
      ${source?.index ?? null}::bigint,
      ${source === null ? null : new Date(source.commitTimeMs)}::timestamptz,
      ${transactionIds(source)}::bigint[], ${eventCounts(source)}::jsonb,
      ${eventTimeMs === null ? null : storableTime(eventTimeMs)}::timestamptz,
      ${topicIds[topic] ?? null}::uuid)`
  })
  if (values.length === 0) return
  await sql`
    insert into evt.checkpoint (projection_id, version, topic, part, next_offset, source_lsn,
      source_seq, source_time, recent_transactions, recent_event_counts, event_time, topic_id)
    values ${sql.join(values)}
    on conflict (projection_id, version, topic, part) do update set
      next_offset = excluded.next_offset, source_lsn = excluded.source_lsn,
      source_seq = excluded.source_seq, source_time = excluded.source_time,
      recent_transactions = excluded.recent_transactions,
      recent_event_counts = excluded.recent_event_counts, event_time = excluded.event_time,
      topic_id = excluded.topic_id, updated_at = clock_timestamp()`.execute(trx)
}

/**
 * Names the lock that batches of a version share, and a swap has alone. The rows of checkpoints do not do
 * for it: the next batch has the row again before whoever waits for the one before it gets there. An
 * advisory lock has a queue, in which nobody overtakes.
 */
export function batchesLock(of: {
  readonly projectionId: number
  readonly version: number
}): RawBuilder<bigint> {
  const name = `evt.batches ${of.projectionId} v${of.version}`
  return sql`hashtextextended(${name}, 0)`
}

/** Whether a transaction shares {@link batchesLock} with those of other partitions; if not, none of them runs meanwhile. */
export type Turn = 'shared' | 'alone'

function takeTurn(partition: ProjectionPartition, turn: Turn): RawBuilder<unknown> {
  const lock = sql.raw(turn === 'alone' ? 'pg_advisory_xact_lock' : 'pg_advisory_xact_lock_shared')
  return sql`(select ${lock}(${batchesLock(versionOf(partition))}) offset 0) turn`
}

/**
 * Moves the checkpoint, as a compare-and-set on its offset and fence: together with the rows of the
 * batch in one transaction, this is what makes each event count once.
 *
 * @throws {FencedError} when the checkpoint is not where this worker left it.
 */
export async function moveCheckpoint(
  trx: Transaction<unknown>,
  partition: ProjectionPartition,
  move: {
    readonly from: Progress
    readonly to: Progress
    readonly fence: bigint
    readonly leaderEpoch: number
    readonly turn: Turn
  },
): Promise<void> {
  const { source, eventTimeMs, nextOffset } = move.to
  const moved = sql`
    update evt.checkpoint set
      next_offset = ${nextOffset},
      leader_epoch = ${move.leaderEpoch},
      source_lsn = ${source === null ? null : formatLsn(source.commitLsn)},
      source_seq = ${source?.index ?? null},
      source_time = ${source === null ? null : new Date(source.commitTimeMs)},
      recent_transactions = ${transactionIds(source)}::bigint[],
      recent_event_counts = ${eventCounts(source)}::jsonb,
      event_time = ${eventTimeMs === null ? null : storableTime(eventTimeMs)},
      updated_at = clock_timestamp()
    from ${takeTurn(partition, move.turn)}
    where ${isRowOf(partition)}
      and next_offset = ${move.from.nextOffset} and fence = ${move.fence}`
  const { numAffectedRows } = await moved.execute(trx).catch(rethrown)
  if (numAffectedRows !== 1n) {
    throw new FencedError(
      `the checkpoint of partition ${partition.partition} is not at ${move.from.nextOffset} under fence ${move.fence}`,
    )
  }
}

/**
 * For a transaction that moves nothing, and is the owner's alone: a new owner waits for its end.
 *
 * @throws {FencedError} when another worker has taken the partition over.
 */
export async function holdFence(
  trx: Transaction<unknown>,
  partition: ProjectionPartition,
  fence: bigint,
): Promise<void> {
  const { rows } = await sql`select from evt.checkpoint
    where ${isRowOf(partition)} and fence = ${fence} for no key update`.execute(trx)
  if (rows.length === 1) return
  throw notUnderFence(partition, fence)
}

/**
 * As {@link holdFence}, for what changes that the owner keeps in memory, and moves no offset: the fence, which it raises, is
 * what tells it of a database that has lost this transaction. Answers the new one.
 *
 * @throws {FencedError} when another worker has taken the partition over.
 */
export async function raiseFence(
  trx: Transaction<unknown>,
  partition: ProjectionPartition,
  { fence, turn }: { readonly fence: bigint; readonly turn: Turn },
): Promise<bigint> {
  const raised = sql<{ fence: bigint }>`
    update evt.checkpoint set fence = fence + 1 from ${takeTurn(partition, turn)}
    where ${isRowOf(partition)} and fence = ${fence} returning fence`
  const { rows } = await raised.execute(trx).catch(rethrown)
  const [row] = rows
  if (row !== undefined) return row.fence
  throw notUnderFence(partition, fence)
}

/** Where an event is written, it is a limit of Postgres that the event exceeds, such as that of an index entry. */
const PROGRAM_LIMIT_EXCEEDED = '54000'

/**
 * No checkpoint is beyond a limit. What Postgres means is that it gives no transaction an id any more, since those
 * that there are were not vacuumed in time: it takes no writes at all until somebody has.
 */
function rethrown(error: unknown): never {
  if (postgresErrorCode(error) !== PROGRAM_LIMIT_EXCEEDED) throw error
  const code = PROGRAM_LIMIT_EXCEEDED
  throw new OperationalError(errorMessage(error), { code, retryable: true, cause: error })
}

function notUnderFence({ partition }: ProjectionPartition, fence: bigint): FencedError {
  return new FencedError(`partition ${partition} is not under fence ${fence} any more`)
}

function isRowOf({ projection, projectionId, topic, partition }: ProjectionPartition) {
  return sql`projection_id = ${projectionId} and version = ${projection.version}
    and topic = ${topic} and part = ${partition}`
}

function transactionIds(source: SourceProgress | null): readonly string[] {
  return (source?.recentTransactions ?? []).map(({ transactionId }) => transactionId)
}

function eventCounts(source: SourceProgress | null): string {
  const several = (source?.recentTransactions ?? []).filter(({ eventCount }) => eventCount > 1)
  const counts: EventCounts = Object.fromEntries(
    several.map(({ transactionId, eventCount }) => [transactionId, eventCount]),
  )
  return JSON.stringify(counts)
}

function heldCheckpoint(row: CheckpointRow): HeldCheckpoint {
  const { source_lsn, source_seq, source_time, event_time } = row
  const hasSource = source_lsn !== null && source_seq !== null && source_time !== null
  return {
    fence: row.fence,
    topicId: row.topic_id,
    leaderEpoch: row.leader_epoch,
    progress: {
      nextOffset: Number(row.next_offset),
      eventTimeMs: event_time === null ? null : event_time.getTime(),
      source: hasSource
        ? {
            commitLsn: parseLsn(source_lsn),
            index: Number(source_seq),
            commitTimeMs: source_time.getTime(),
            recentTransactions: row.recent_transactions.map((transactionId) => ({
              transactionId,
              eventCount: row.recent_event_counts[transactionId] ?? 1,
            })),
          }
        : null,
    },
  }
}
