import { assertNever, invariant, truncated } from '@fairlead/base'
import {
  type Group,
  type Member,
  haveAllJoined,
  rebalanceTimeoutMs,
  removeMember,
} from './group.ts'
import type { StoredGroup } from './group-record.ts'
import type { JoinGroupResponse } from './messages.ts'
import { metadataFor, selectProtocol } from './protocols.ts'
import { type Turn, completeJoinGroup, completeSyncGroup, isStepFull } from './turn.ts'
import type { GroupConfig } from './types.ts'

/** A rebalance that nobody joins is looked at again; a client may have given no time at all. */
const JOIN_RETRY_MIN_MS = 1000

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0)

/**
 * The rebalance: `beginRebalance` asks everybody to rejoin, `completeJoin` starts the next
 * generation once they have, and the leader's SyncGroup (see `sync.ts`) makes it stable.
 */

/** Something changed that matters for the assignment: rebalance, or let the one under way go on. */
export function rebalanceOrCompleteJoin(
  group: Group,
  turn: Turn,
  options: { readonly config: GroupConfig; readonly reason: string },
): void {
  if (group.state === 'PreparingRebalance') maybeCompleteJoin(group, turn)
  else beginRebalance(group, turn, options)
}

export function beginRebalance(
  group: Group,
  turn: Turn,
  { config, reason }: { readonly config: GroupConfig; readonly reason: string },
): void {
  invariant(group.state !== 'PreparingRebalance', 'one rebalance at a time')
  const { groupId, generationId } = group
  const told = truncated(reason, REASON_LENGTH_MAX)
  turn.note({ kind: 'rebalanceBegan', groupId, generationId, reason: told })
  cancelSync(group, turn)
  const isInitial = group.state === 'Empty'
  group.state = 'PreparingRebalance'

  if (isInitial && config.initialRebalanceDelayMs > 0) {
    // The first member of a group is seldom the only one: one rebalance for all of them is cheaper.
    const delayMs = config.initialRebalanceDelayMs
    const remainingMs = Math.max(rebalanceTimeoutMs(group) - delayMs, 0)
    group.initialDelay = { delayMs, remainingMs, hasNewMember: false }
    group.joinDeadlineMs = turn.nowMs + delayMs
  } else if (haveAllJoined(group)) {
    completeJoin(group, turn)
  } else {
    group.joinDeadlineMs = turn.nowMs + rebalanceTimeoutMs(group)
  }
}

/** Starts the next generation if nobody is missing. The initial delay is always waited for. */
export function maybeCompleteJoin(group: Group, turn: Turn): void {
  if (group.state !== 'PreparingRebalance' || group.initialDelay !== undefined) return
  if (haveAllJoined(group)) completeJoin(group, turn)
}

/** The join deadline has passed. */
export function expireJoin(group: Group, turn: Turn, config: GroupConfig): void {
  const initial = group.initialDelay
  if (initial?.hasNewMember === true && initial.remainingMs > 0) {
    const delayMs = Math.min(config.initialRebalanceDelayMs, initial.remainingMs)
    const remainingMs = Math.max(initial.remainingMs - initial.delayMs, 0)
    group.initialDelay = { delayMs, remainingMs, hasNewMember: false }
    group.joinDeadlineMs = turn.nowMs + delayMs
  } else {
    completeJoin(group, turn)
  }
}

/** Some members did not send SyncGroup in time: they are removed, and the rest rebalances. */
export function expireSync(group: Group, turn: Turn, config: GroupConfig): void {
  group.syncDeadlineMs = undefined
  let removedCount = 0
  for (const member of group.members.values()) {
    if (member.hasSynced) continue
    removeMember(group, member)
    removedCount += 1
  }
  const reason = `${removedCount} members sent no SyncGroup within the rebalance timeout`
  beginRebalance(group, turn, { config, reason })
}

function completeJoin(group: Group, turn: Turn): void {
  invariant(group.state === 'PreparingRebalance', 'a rebalance is under way')
  for (const member of group.members.values()) {
    // A static member keeps its place until its session ends (KIP-345).
    const isMissing = member.joinToken === undefined && member.groupInstanceId === null
    if (isMissing) removeMember(group, member)
  }
  if (group.members.size === 0) {
    becomeEmpty(group, turn)
  } else if (electLeader(group)) {
    beginGeneration(group, turn)
  } else {
    // Only static members are left and none came back: wait until their sessions end.
    group.initialDelay = undefined
    group.joinDeadlineMs = turn.nowMs + Math.max(rebalanceTimeoutMs(group), JOIN_RETRY_MIN_MS)
  }
}

/** Keeps a leader that rejoined; otherwise the first member that did becomes leader. */
function electLeader(group: Group): boolean {
  const leader = group.leader === null ? undefined : group.members.get(group.leader)
  if (leader?.joinToken !== undefined) return true
  for (const member of group.members.values()) {
    if (member.joinToken === undefined) continue
    group.leader = member.memberId
    return true
  }
  return false
}

function becomeEmpty(group: Group, turn: Turn): void {
  endJoinPhase(group)
  group.generationId += 1
  group.protocolName = null
  group.state = 'Empty'
  const { groupId, generationId } = group
  turn.note({ kind: 'groupEmptied', groupId, generationId })
  const value = storedGroup(group, turn, () => EMPTY_BYTES)
  turn.write({ kind: 'groupMetadata', groupId, value })
}

function beginGeneration(group: Group, turn: Turn): void {
  endJoinPhase(group)
  group.generationId += 1
  group.protocolName = selectProtocol(group)
  group.state = 'CompletingRebalance'
  group.syncDeadlineMs = turn.nowMs + rebalanceTimeoutMs(group)
  const { groupId, generationId } = group
  turn.note({ kind: 'generationBegan', groupId, generationId, memberCount: group.members.size })
  for (const member of group.members.values()) {
    const { joinToken } = member
    member.joinToken = undefined
    member.isNew = false
    member.hasSynced = false
    extendSession(member, turn)
    if (joinToken !== undefined) {
      completeJoinGroup(turn, joinToken, joinedResponse(group, member.memberId))
    }
  }
}

function endJoinPhase(group: Group): void {
  group.joinDeadlineMs = undefined
  group.initialDelay = undefined
}

/** The answer to a JoinGroup of a member of the current generation. Only the leader learns of all. */
export function joinedResponse(group: Group, memberId: string): JoinGroupResponse {
  return {
    errorCode: 'NONE',
    generationId: group.generationId,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leader ?? '',
    skipAssignment: false,
    memberId,
    members: group.leader === memberId ? memberList(group) : [],
  }
}

/** Who is in the group, with the metadata that the leader needs to assign. */
export function memberList(group: Group): JoinGroupResponse['members'] {
  return Array.from(group.members.values(), (member) => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    metadata: metadataFor(member, group.protocolName),
  }))
}

/** The group as its current generation is to be stored. */
export function storedGroup(
  group: Group,
  turn: Turn,
  assignmentOf: (memberId: string) => Uint8Array,
): StoredGroup {
  return {
    protocolType: group.protocolType ?? '',
    generationId: group.generationId,
    protocolName: group.protocolName,
    leader: group.leader,
    stateTimestampMs: turn.wallNowMs,
    members: Array.from(group.members.values(), (member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      sessionTimeoutMs: member.sessionTimeoutMs,
      subscription: metadataFor(member, group.protocolName),
      assignment: assignmentOf(member.memberId),
    })),
  }
}

/** Of a reason with the ids in it, which may be as long as strings of the wire. */
const REASON_LENGTH_MAX = 1000

/** Of what a client says in its own words. */
const CLIENT_REASON_LENGTH_MAX = 255

/** What the client itself gives as reason (KIP-800), to be put after ours. */
export function clientReason(reason: string | null): string {
  return reason === null || reason === ''
    ? ''
    : `; client reason: ${truncated(reason, CLIENT_REASON_LENGTH_MAX)}`
}

/** Fields of a stored member besides ids and bytes: timeouts, lengths; rounded up. */
const MEMBER_OVERHEAD_BYTES = 64

/** UTF-8 has at most three bytes per UTF-16 unit. */
const UTF8_BYTES_PER_UNIT_MAX = 3

/** Whether the group fits into one step; an estimate from above. */
export function isStorable(groupId: string, group: StoredGroup): boolean {
  const names = [groupId, group.protocolType, group.protocolName ?? '', group.leader ?? '']
  let sizeBytes = UTF8_BYTES_PER_UNIT_MAX * names.join('').length
  for (const member of group.members) {
    const { memberId, groupInstanceId, clientId, clientHost, subscription, assignment } = member
    const ids = memberId.length + (groupInstanceId ?? '').length + clientId.length
    sizeBytes += MEMBER_OVERHEAD_BYTES + subscription.length + assignment.length
    sizeBytes += UTF8_BYTES_PER_UNIT_MAX * (ids + clientHost.length)
  }
  return !isStepFull(sizeBytes)
}

/** Whoever waits for the assignment of a generation that will never get one must rejoin. */
function cancelSync(group: Group, turn: Turn): void {
  group.syncDeadlineMs = undefined
  switch (group.state) {
    case 'CompletingRebalance':
      for (const member of group.members.values()) {
        if (member.syncToken === undefined) continue
        failSync(member, turn, 'REBALANCE_IN_PROGRESS')
        extendSession(member, turn)
      }
      return
    case 'Empty':
    case 'Stable':
    case 'PreparingRebalance':
      return
    default:
      assertNever(group.state)
  }
}

export function failSync(
  member: Member,
  turn: Turn,
  errorCode:
    | 'REBALANCE_IN_PROGRESS'
    | 'FENCED_INSTANCE_ID'
    | 'UNKNOWN_MEMBER_ID'
    | 'UNKNOWN_SERVER_ERROR',
): void {
  if (member.syncToken === undefined) return
  completeSyncGroup(turn, member.syncToken, { errorCode, assignment: EMPTY_BYTES })
  member.syncToken = undefined
}

export function failJoin(
  member: Member,
  turn: Turn,
  response: Pick<JoinGroupResponse, 'errorCode' | 'memberId'>,
): void {
  if (member.joinToken === undefined) return
  completeJoinGroup(turn, member.joinToken, refusedJoin(response.errorCode, response.memberId))
  member.joinToken = undefined
}

/** The answer to a JoinGroup that fails. */
export function refusedJoin(
  errorCode: JoinGroupResponse['errorCode'],
  memberId: string,
): JoinGroupResponse {
  return {
    errorCode,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  }
}

/** The member was heard of. */
export function extendSession(member: Member, turn: Turn): void {
  member.sessionDeadlineMs = turn.nowMs + member.sessionTimeoutMs
}

/**
 * Takes out a member that left or whose session ended. A JoinGroup that waits gets
 * UNKNOWN_MEMBER_ID: a client that is still alive then joins afresh.
 */
export function dropMember(group: Group, member: Member, turn: Turn): void {
  failJoin(member, turn, { errorCode: 'UNKNOWN_MEMBER_ID', memberId: '' })
  failSync(member, turn, 'UNKNOWN_MEMBER_ID')
  removeMember(group, member)
}
