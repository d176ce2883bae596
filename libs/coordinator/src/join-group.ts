import { type Random, assertNever, invariant, truncated } from '@fairlead/base'
import { type Group, type Member, addMember, removeMember } from './group.ts'
import type { StoredGroup } from './group-record.ts'
import { findMember } from './membership.ts'
import type { JoinGroupRequest, JoinGroupResponse } from './messages.ts'
import { hasSameProtocols, ownProtocols, selectProtocol, supportsProtocols } from './protocols.ts'
import { randomUuid } from './random-uuid.ts'
import {
  EMPTY_BYTES,
  beginRebalance,
  clientReason,
  extendSession,
  failJoin,
  failSync,
  isStorable,
  joinedResponse,
  memberList,
  rebalanceOrCompleteJoin,
  refusedJoin,
  storedGroup,
} from './rebalance.ts'
import type { Turn } from './turn.ts'
import type { GroupConfig, ParkToken, RequestContext } from './types.ts'

/** From this version on a dynamic member must come back with the id it got (KIP-394). */
const MEMBER_ID_REQUIRED_SINCE_VERSION = 4
/** From this version on a leader can be told to keep the assignment (KIP-814). */
const SKIP_ASSIGNMENT_SINCE_VERSION = 9
/** The first version that has a rebalance timeout; before it, the session timeout serves as one. */
const REBALANCE_TIMEOUT_SINCE_VERSION = 1

/**
 * A new member cannot send heartbeats before its JoinGroup is answered, and a lost connection is not
 * noticed while it waits. If it is still there after this time, it is expected to try again.
 */
const NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60_000

/** Every event looks at all of them. A client that finds no room tries again. */
const PENDING_MEMBERS_MAX = 1000

/** A client id may be as long as a string of the wire, and a member id is longer. */
const MEMBER_ID_PREFIX_LENGTH_MAX = 255

export type JoinContext = RequestContext & {
  readonly token: ParkToken
  readonly config: GroupConfig
  readonly random: Random
}

/** The answer, or 'parked' when it comes as a completion (maybe of the same turn). */
export type JoinOutcome = JoinGroupResponse | 'parked'

/**
 * JoinGroup (key 11).
 *
 * v1  rebalance timeout
 * v4  MEMBER_ID_REQUIRED (KIP-394)
 * v5  static members (KIP-345)
 * v6  flexible
 * v7  protocol type in the response
 * v8  reason
 * v9  skipAssignment (KIP-814)
 */
export function joinGroup(
  group: Group,
  request: JoinGroupRequest,
  context: JoinContext,
  turn: Turn,
): JoinOutcome {
  if (!hasRoom(group, request, context.config)) {
    return refusedJoin('GROUP_MAX_SIZE_REACHED', '')
  }
  return request.memberId === ''
    ? joinNewMember(group, request, context, turn)
    : rejoin(group, request, context, turn)
}

/**
 * The limit counts members; ids that were given out and have not come back are no members yet. A
 * static member that restarts has its place, although it does not know its id.
 */
function hasRoom(group: Group, request: JoinGroupRequest, { membersMax }: GroupConfig): boolean {
  const { memberId, groupInstanceId } = request
  const isMember =
    group.members.has(memberId) ||
    (groupInstanceId !== null && group.staticMembers.has(groupInstanceId))
  if (!isMember) return group.members.size < membersMax
  // A group above the limit (it was lowered) sheds the members that rejoin last.
  if (group.state !== 'PreparingRebalance' || group.members.size <= membersMax) return true
  let waiting = 0
  for (const member of group.members.values()) if (member.joinToken !== undefined) waiting += 1
  return group.members.get(memberId)?.joinToken !== undefined || waiting < membersMax
}

function joinNewMember(
  group: Group,
  request: JoinGroupRequest,
  context: JoinContext,
  turn: Turn,
): JoinOutcome {
  if (!supportsProtocols(group, request.protocolType, request.protocols)) {
    return refusedJoin('INCONSISTENT_GROUP_PROTOCOL', '')
  }
  const { groupInstanceId } = request
  const prefix = truncated(groupInstanceId ?? context.clientId, MEMBER_ID_PREFIX_LENGTH_MAX)
  const memberId = `${prefix}-${randomUuid(context.random)}`
  if (groupInstanceId !== null) {
    const replaced = group.staticMembers.get(groupInstanceId)
    return replaced === undefined
      ? admit(group, memberId, request, context, turn)
      : replaceStaticMember(group, { replaced, memberId }, request, context, turn)
  }
  if (context.apiVersion >= MEMBER_ID_REQUIRED_SINCE_VERSION) {
    if (group.pendingMembers.size >= PENDING_MEMBERS_MAX) {
      return refusedJoin('COORDINATOR_NOT_AVAILABLE', '')
    }
    group.pendingMembers.set(memberId, turn.nowMs + request.sessionTimeoutMs)
    return refusedJoin('MEMBER_ID_REQUIRED', memberId)
  }
  return admit(group, memberId, request, context, turn)
}

function rejoin(
  group: Group,
  request: JoinGroupRequest,
  context: JoinContext,
  turn: Turn,
): JoinOutcome {
  const { memberId, protocolType, protocols } = request
  if (!supportsProtocols(group, protocolType, protocols)) {
    return refusedJoin('INCONSISTENT_GROUP_PROTOCOL', memberId)
  }
  if (group.pendingMembers.has(memberId)) {
    // An id of this kind is only given to dynamic members.
    return request.groupInstanceId === null
      ? admit(group, memberId, request, context, turn)
      : refusedJoin('UNKNOWN_MEMBER_ID', memberId)
  }
  const found = findMember(group, request)
  if (!found.ok) return refusedJoin(found.errorCode, memberId)
  const { member } = found

  switch (group.state) {
    case 'PreparingRebalance':
      return park(group, member, request, context, turn)
    case 'CompletingRebalance':
      // The answer to its JoinGroup was lost: the same one again, as long as nothing changed.
      return hasSameProtocols(member, protocols)
        ? joinedResponse(group, memberId)
        : park(group, member, request, context, turn)
    case 'Stable':
      // A leader rejoins when what it assigns has changed (partitions), its own metadata apart.
      return group.leader !== memberId && hasSameProtocols(member, protocols)
        ? joinedResponse(group, memberId)
        : park(group, member, request, context, turn)
    case 'Empty':
      return refusedJoin('UNKNOWN_MEMBER_ID', memberId)
    default:
      return assertNever(group.state)
  }
}

function admit(
  group: Group,
  memberId: string,
  request: JoinGroupRequest,
  context: JoinContext,
  turn: Turn,
): JoinOutcome {
  group.pendingMembers.delete(memberId)
  if (group.members.size === 0) group.protocolType = request.protocolType
  addMember(group, {
    memberId,
    groupInstanceId: request.groupInstanceId,
    clientId: context.clientId,
    clientHost: context.clientHost,
    sessionTimeoutMs: request.sessionTimeoutMs,
    rebalanceTimeoutMs: requestedRebalanceTimeoutMs(request, context),
    protocols: ownProtocols(request.protocols),
    isNew: true,
    joinToken: context.token,
    syncToken: undefined,
    hasSynced: false,
    sessionDeadlineMs: turn.nowMs + NEW_MEMBER_JOIN_TIMEOUT_MS,
  })
  if (group.initialDelay !== undefined) group.initialDelay.hasNewMember = true
  const reason = `member ${memberId} joins${clientReason(request.reason)}`
  rebalanceOrCompleteJoin(group, turn, { config: context.config, reason })
  return 'parked'
}

function park(
  group: Group,
  member: Member,
  request: JoinGroupRequest,
  context: JoinContext,
  turn: Turn,
): 'parked' {
  const isLeader = group.leader === member.memberId
  const who = isLeader ? 'the leader rejoins' : 'a member rejoins with other metadata'
  const reason = `${who} (${member.memberId})${clientReason(request.reason)}`
  takeOver(member, request, context, turn)
  rebalanceOrCompleteJoin(group, turn, { config: context.config, reason })
  return 'parked'
}

/** The member now is as this request says, and this request waits for it. */
function takeOver(
  member: Member,
  request: JoinGroupRequest,
  context: JoinContext,
  turn: Turn,
): void {
  // A retry on a new connection: the older request has nobody who reads its answer, or somebody who
  // has to ask again.
  failJoin(member, turn, { errorCode: 'REBALANCE_IN_PROGRESS', memberId: member.memberId })
  failSync(member, turn, 'REBALANCE_IN_PROGRESS')
  member.protocols = ownProtocols(request.protocols)
  member.sessionTimeoutMs = request.sessionTimeoutMs
  member.rebalanceTimeoutMs = requestedRebalanceTimeoutMs(request, context)
  member.joinToken = context.token
}

/**
 * A static member comes back after a restart of its process, without its member id: it takes the
 * place of its former self, whose requests are fenced from now on (KIP-345).
 */
function replaceStaticMember(
  group: Group,
  ids: { readonly replaced: string; readonly memberId: string },
  request: JoinGroupRequest,
  context: JoinContext,
  turn: Turn,
): JoinOutcome {
  const former = group.members.get(ids.replaced)
  invariant(former !== undefined, 'a static member is a member')
  const formerLeader = group.leader
  const member = exchange(group, former, ids.memberId, turn)
  takeOver(member, request, context, turn)
  extendSession(member, turn)
  const reason = `static member ${request.groupInstanceId} restarts${clientReason(request.reason)}`
  const cause = { config: context.config, reason }

  switch (group.state) {
    case 'Stable': {
      if (selectProtocol(group) !== group.protocolName) {
        beginRebalance(group, turn, cause)
        return 'parked'
      }
      const value = exchangedGroup(group, ids, turn)
      if (!isStorable(group.groupId, value)) {
        beginRebalance(group, turn, cause)
        return 'parked'
      }
      member.joinToken = undefined
      turn.write({ kind: 'groupMetadata', groupId: group.groupId, value })
      return keptPlaceResponse(group, { memberId: ids.memberId, formerLeader }, context)
    }
    case 'CompletingRebalance':
      // The leader may already assign to the former id, which would leave the new one with nothing.
      beginRebalance(group, turn, cause)
      return 'parked'
    case 'PreparingRebalance':
      rebalanceOrCompleteJoin(group, turn, cause)
      return 'parked'
    case 'Empty':
      throw new Error('an empty group has no static member')
    default:
      return assertNever(group.state)
  }
}

/** Puts a member with another id in the place of a static member, and fences the former one. */
function exchange(group: Group, former: Member, memberId: string, turn: Turn): Member {
  failJoin(former, turn, { errorCode: 'FENCED_INSTANCE_ID', memberId: former.memberId })
  failSync(former, turn, 'FENCED_INSTANCE_ID')
  const wasLeader = group.leader === former.memberId
  removeMember(group, former)
  const member: Member = { ...former, memberId, isNew: false }
  addMember(group, member)
  if (wasLeader) group.leader = memberId
  return member
}

/** Nothing changes for the group but an id: the stored generation gets it, without a rebalance. */
function exchangedGroup(
  group: Group,
  ids: { readonly replaced: string; readonly memberId: string },
  turn: Turn,
): StoredGroup {
  const assignments = new Map(
    group.replicated.metadata?.members.map((member) => [member.memberId, member.assignment]),
  )
  return storedGroup(group, turn, (memberId) => {
    const assigned = memberId === ids.memberId ? ids.replaced : memberId
    return assignments.get(assigned) ?? EMPTY_BYTES
  })
}

/**
 * A leader that kept its place must not assign anew. Clients before v9 do not know skipAssignment:
 * they get the former leader's id, and so do not take themselves for the leader.
 */
function keptPlaceResponse(
  group: Group,
  ids: { readonly memberId: string; readonly formerLeader: string | null },
  { apiVersion }: JoinContext,
): JoinGroupResponse {
  const response = joinedResponse(group, ids.memberId)
  if (apiVersion < SKIP_ASSIGNMENT_SINCE_VERSION) {
    return { ...response, leader: ids.formerLeader ?? '', members: [] }
  }
  const isLeader = group.leader === ids.memberId
  return { ...response, skipAssignment: isLeader, members: isLeader ? memberList(group) : [] }
}

function requestedRebalanceTimeoutMs(
  request: JoinGroupRequest,
  { apiVersion }: RequestContext,
): number {
  return apiVersion >= REBALANCE_TIMEOUT_SINCE_VERSION
    ? Math.max(request.rebalanceTimeoutMs, 0)
    : request.sessionTimeoutMs
}
