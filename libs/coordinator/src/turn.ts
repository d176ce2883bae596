import type { GroupRecord } from './group-record.ts'
import type { JoinGroupResponse, SyncGroupResponse } from './messages.ts'
import type { Completion, Instant, ParkToken } from './types.ts'

/**
 * One event on its way through the coordinator: the moment it happens at, and what it causes.
 * `write` replays the record at once, so that what follows in the same turn sees it.
 */
export type Turn = Instant & {
  write(record: GroupRecord): void
  readonly completions: Completion[]
}

export function completeJoinGroup(turn: Turn, token: ParkToken, response: JoinGroupResponse): void {
  turn.completions.push({ kind: 'JoinGroup', token, response })
}

export function completeSyncGroup(turn: Turn, token: ParkToken, response: SyncGroupResponse): void {
  turn.completions.push({ kind: 'SyncGroup', token, response })
}
