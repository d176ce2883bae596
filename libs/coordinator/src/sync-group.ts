import { assertNever } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import type { Group, Member } from './group.ts'
import { findMember } from './membership.ts'
import type { SyncGroupRequest, SyncGroupResponse } from './messages.ts'
import {
  EMPTY_BYTES,
  beginRebalance,
  extendSession,
  failSync,
  isStorable,
  storedGroup,
} from './rebalance.ts'
import { type Turn, completeSyncGroup } from './turn.ts'
import type { GroupConfig, ParkToken } from './types.ts'

/** From this version on the client names the protocol that it believes in (KIP-559). */
const PROTOCOL_SINCE_VERSION = 5

/** The answer, or 'parked' when it comes as a completion (maybe of the same turn). */
export type SyncOutcome = SyncGroupResponse | 'parked'

/**
 * SyncGroup (key 14).
 *
 * v3  static members
 * v4  flexible
 * v5  protocol type and name, which must be the group's (KIP-559)
 *
 * The leader's request carries the assignment of everybody; it makes the generation stable. The
 * assignment in an answer is never missing: whoever the leader left out gets empty bytes.
 */
export function syncGroup(
  group: Group,
  request: SyncGroupRequest,
  context: {
    readonly token: ParkToken
    readonly apiVersion: number
    readonly config: GroupConfig
  },
  turn: Turn,
): SyncOutcome {
  const isProtocolNamed = request.protocolType !== null && request.protocolName !== null
  if (context.apiVersion >= PROTOCOL_SINCE_VERSION && !isProtocolNamed) {
    return refusedSync('INCONSISTENT_GROUP_PROTOCOL')
  }
  const found = findMember(group, request)
  if (!found.ok) return refusedSync(found.errorCode)
  if (request.generationId !== group.generationId) return refusedSync('ILLEGAL_GENERATION')
  if (
    differs(request.protocolType, group.protocolType) ||
    differs(request.protocolName, group.protocolName)
  ) {
    return refusedSync('INCONSISTENT_GROUP_PROTOCOL')
  }
  return syncMember(group, found.member, request, { ...context, turn })
}

function syncMember(
  group: Group,
  member: Member,
  request: SyncGroupRequest,
  context: { readonly token: ParkToken; readonly config: GroupConfig; readonly turn: Turn },
): SyncOutcome {
  const { token, turn } = context
  switch (group.state) {
    case 'PreparingRebalance':
      return refusedSync('REBALANCE_IN_PROGRESS')
    case 'CompletingRebalance':
      failSync(member, turn, 'REBALANCE_IN_PROGRESS')
      member.syncToken = token
      noteSync(group, member)
      if (group.leader === member.memberId) completeRebalance(group, request, context)
      return 'parked'
    case 'Stable':
      noteSync(group, member)
      extendSession(member, turn)
      return assignedResponse(group, member.memberId)
    case 'Empty':
      return refusedSync('UNKNOWN_MEMBER_ID')
    default:
      return assertNever(group.state)
  }
}

function noteSync(group: Group, member: Member): void {
  member.hasSynced = true
  for (const other of group.members.values()) if (!other.hasSynced) return
  group.syncDeadlineMs = undefined
}

/**
 * Stores the leader's assignment; everybody who waits for it gets theirs. A group that is too large
 * to be stored cannot become stable: its members learn of an error, and join again, as in Kafka.
 */
function completeRebalance(
  group: Group,
  request: SyncGroupRequest,
  { turn, config }: { readonly turn: Turn; readonly config: GroupConfig },
): void {
  const assignments = new Map(
    request.assignments.map(({ memberId, assignment }) => [memberId, assignment]),
  )
  // A copy: the assignment is a view into the frame of the request.
  const value = storedGroup(
    group,
    turn,
    (memberId) => assignments.get(memberId)?.slice() ?? EMPTY_BYTES,
  )
  if (!isStorable(group.groupId, value)) {
    for (const member of group.members.values()) failSync(member, turn, 'UNKNOWN_SERVER_ERROR')
    beginRebalance(group, turn, { config, reason: 'the group is too large to be stored' })
    return
  }
  const { groupId, generationId } = group
  turn.write({ kind: 'groupMetadata', groupId, value })
  group.state = 'Stable'
  turn.note({ kind: 'generationCompleted', groupId, generationId, memberCount: group.members.size })
  for (const member of group.members.values()) {
    if (member.syncToken === undefined) continue
    completeSyncGroup(turn, member.syncToken, assignedResponse(group, member.memberId))
    member.syncToken = undefined
    extendSession(member, turn)
  }
}

function assignedResponse(group: Group, memberId: string): SyncGroupResponse {
  const stored = group.replicated.metadata?.members.find((member) => member.memberId === memberId)
  return {
    errorCode: 'NONE',
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    assignment: stored?.assignment ?? EMPTY_BYTES,
  }
}

export function refusedSync(errorCode: ErrorCode): SyncGroupResponse {
  return { errorCode, protocolType: null, protocolName: null, assignment: EMPTY_BYTES }
}

/** Null means that the client did not say (before v5). */
function differs(requested: string | null, current: string | null): boolean {
  return requested !== null && current !== null && requested !== current
}
