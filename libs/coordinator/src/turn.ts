import type { GroupRecord } from './group-record.ts'
import type { JoinGroupResponse, SyncGroupResponse } from './messages.ts'
import type { Completion, GroupEvent, Instant, ParkToken } from './types.ts'

/**
 * What one step may write, in bytes of records. The shell appends a step as one batch, and a
 * log takes a batch of a MiB unless it is configured otherwise (`max.message.bytes`).
 */
export const STEP_BYTES_MAX: number = 1_000_000

/** Enough for any record but a group's: its id, a topic and the metadata of an offset. */
const RECORD_BYTES_MARGIN = 64 * 1024

/** Whether a step that wrote so much should write no more. */
export function isStepFull(writtenBytes: number): boolean {
  return writtenBytes > STEP_BYTES_MAX - RECORD_BYTES_MARGIN
}

/**
 * One event on its way through the coordinator: the moment it happens at, and what it causes.
 * `write` replays the record at once, so that what follows in the same turn sees it.
 */
export type Turn = Instant & {
  write(record: GroupRecord): void
  /** Records written so far. */
  recordCount(): number
  note(event: GroupEvent): void
  /** Whether this turn should write no more: a step is one batch of the log. */
  isFull(): boolean
  readonly completions: Completion[]
}

export function completeJoinGroup(turn: Turn, token: ParkToken, response: JoinGroupResponse): void {
  turn.completions.push({ kind: 'JoinGroup', token, response })
}

export function completeSyncGroup(turn: Turn, token: ParkToken, response: SyncGroupResponse): void {
  turn.completions.push({ kind: 'SyncGroup', token, response })
}

/** Tells that all records of this turn so far were offsets; nothing when there are none. */
export function noteOffsets(
  kind: 'offsetsCommitted' | 'offsetsExpired' | 'offsetsDeleted',
  { groupId }: { readonly groupId: string },
  turn: Turn,
): void {
  const count = turn.recordCount()
  if (count > 0) turn.note({ kind, groupId, count })
}
