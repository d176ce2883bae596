import { invariant } from '@fairlead/base'
import type { StoredMember } from './group-record.ts'
import { ReplicatedGroup } from './replicated-group.ts'
import type { GroupState, ParkToken } from './types.ts'

export type Protocol = { readonly name: string; readonly metadata: Uint8Array }

export type Member = {
  readonly memberId: string
  /** Set for a static member (KIP-345). */
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  /** In the member's order of preference. After a restart only the group's protocol is known. */
  protocols: readonly Protocol[]
  /** True until the first JoinGroup is answered: the client does not know its id, nor heartbeats. */
  isNew: boolean
  /** JoinGroup that waits for the rebalance. */
  joinToken: ParkToken | undefined
  /** SyncGroup that waits for the leader's assignment. */
  syncToken: ParkToken | undefined
  /** The member's SyncGroup of this generation arrived. */
  hasSynced: boolean
  /** The member is removed when nothing is heard of it until then. */
  sessionDeadlineMs: number
}

/** The wait of the first members of an empty group for others. */
type InitialDelay = {
  /** How long this round waits. */
  delayMs: number
  /** What is left for further rounds. */
  remainingMs: number
  /** A member joined in this round: another round is worth it. */
  hasNewMember: boolean
}

/**
 * A classic group as it lives in this process. `replicated` outlives it; the rest is soft: members
 * on the way through a rebalance, who waits, and deadlines. After a restart the soft part starts
 * from the replicated one, in `restoreGroup`.
 *
 * Invariants, checked by `checkGroup`:
 * - Empty has no members; every other state but PreparingRebalance has at least one;
 * - a JoinGroup waits only in PreparingRebalance, a SyncGroup only in CompletingRebalance;
 * - Stable has exactly the members of the stored generation: everyone has an assignment;
 * - the generation is never below the stored one.
 */
export type Group = {
  readonly groupId: string
  readonly replicated: ReplicatedGroup
  state: Exclude<GroupState, 'Dead'>
  generationId: number
  protocolType: string | null
  protocolName: string | null
  leader: string | null
  /** In the order of joining. */
  readonly members: Map<string, Member>
  /** Member id by group instance id. */
  readonly staticMembers: Map<string, string>
  /** Ids that were given out with MEMBER_ID_REQUIRED and have not come back, with their deadline. */
  readonly pendingMembers: Map<string, number>
  /** When PreparingRebalance ends without the members that are missing. */
  joinDeadlineMs: number | undefined
  /** When members that did not send SyncGroup are removed. */
  syncDeadlineMs: number | undefined
  initialDelay: InitialDelay | undefined
}

export function newGroup(groupId: string): Group {
  return {
    groupId,
    replicated: new ReplicatedGroup(),
    state: 'Empty',
    generationId: 0,
    protocolType: null,
    protocolName: null,
    leader: null,
    members: new Map(),
    staticMembers: new Map(),
    pendingMembers: new Map(),
    joinDeadlineMs: undefined,
    syncDeadlineMs: undefined,
    initialDelay: undefined,
  }
}

/**
 * Starts the soft part from the replicated one, after a log is loaded. Members come back as they
 * were, with a whole session timeout to send a heartbeat: a consumer goes on without a rebalance.
 */
export function restoreGroup(group: Group, nowMs: number): void {
  const stored = group.replicated.metadata
  if (stored === undefined) return
  group.generationId = stored.generationId
  group.protocolType = stored.protocolType === '' ? null : stored.protocolType
  group.protocolName = stored.protocolName
  group.leader = stored.leader
  for (const member of stored.members) addMember(group, restoredMember(member, stored, nowMs))
  group.state = stored.members.length === 0 ? 'Empty' : 'Stable'
}

function restoredMember(
  stored: StoredMember,
  { protocolName }: { readonly protocolName: string | null },
  nowMs: number,
): Member {
  return {
    memberId: stored.memberId,
    groupInstanceId: stored.groupInstanceId,
    clientId: stored.clientId,
    clientHost: stored.clientHost,
    sessionTimeoutMs: stored.sessionTimeoutMs,
    rebalanceTimeoutMs: stored.rebalanceTimeoutMs,
    protocols: protocolName === null ? [] : [{ name: protocolName, metadata: stored.subscription }],
    isNew: false,
    joinToken: undefined,
    syncToken: undefined,
    hasSynced: true,
    sessionDeadlineMs: nowMs + stored.sessionTimeoutMs,
  }
}

export function addMember(group: Group, member: Member): void {
  invariant(!group.members.has(member.memberId), 'a member is added once')
  group.members.set(member.memberId, member)
  group.leader ??= member.memberId
  if (member.groupInstanceId !== null) {
    group.staticMembers.set(member.groupInstanceId, member.memberId)
  }
}

/** Takes a member out. Its parked requests must have been answered. */
export function removeMember(group: Group, member: Member): void {
  invariant(member.joinToken === undefined, 'a removed member waits for no JoinGroup')
  invariant(member.syncToken === undefined, 'a removed member waits for no SyncGroup')
  group.members.delete(member.memberId)
  if (
    member.groupInstanceId !== null &&
    group.staticMembers.get(member.groupInstanceId) === member.memberId
  ) {
    group.staticMembers.delete(member.groupInstanceId)
  }
  if (group.leader !== member.memberId) return
  const [nextLeader = null] = group.members.keys()
  group.leader = nextLeader
}

/** The longest time that a member takes to rejoin. */
export function rebalanceTimeoutMs(group: Group): number {
  let longestMs = 0
  for (const member of group.members.values()) {
    longestMs = Math.max(longestMs, member.rebalanceTimeoutMs)
  }
  return longestMs
}

export function haveAllJoined(group: Group): boolean {
  if (group.pendingMembers.size > 0) return false
  for (const member of group.members.values()) if (member.joinToken === undefined) return false
  return true
}

/** Nothing would be lost if the process forgot the group. */
export function isForgettable(group: Group): boolean {
  return group.state === 'Empty' && group.pendingMembers.size === 0 && group.replicated.isEmpty
}

/** The first moment at which time changes the group; undefined when none will. */
export function groupDeadlineMs(group: Group): number | undefined {
  let earliestMs = Math.min(group.joinDeadlineMs ?? Infinity, group.syncDeadlineMs ?? Infinity)
  for (const deadlineMs of group.pendingMembers.values()) {
    earliestMs = Math.min(earliestMs, deadlineMs)
  }
  for (const member of group.members.values()) {
    if (isSessionWatched(member)) earliestMs = Math.min(earliestMs, member.sessionDeadlineMs)
  }
  return earliestMs === Infinity ? undefined : earliestMs
}

/**
 * A member with a parked request is not expected to send heartbeats: its next request is blocked
 * behind this one. A new member is the exception, since nobody else would ever remove it.
 */
export function isSessionWatched(member: Member): boolean {
  return member.isNew || (member.joinToken === undefined && member.syncToken === undefined)
}

/** Throws when an invariant of the type does not hold. O(members): for tests and simulation. */
export function checkGroup(group: Group): void {
  const { state, members, replicated } = group
  const stored = replicated.metadata
  invariant(state !== 'Empty' || members.size === 0, 'an empty group has no members')
  invariant(
    members.size > 0 || state === 'Empty' || state === 'PreparingRebalance',
    () => `a group in ${state} has members`,
  )
  invariant(
    stored === undefined || group.generationId >= stored.generationId,
    'the generation is not below the stored one',
  )
  invariant(group.leader === null || members.has(group.leader), 'the leader is a member')
  for (const member of members.values()) {
    invariant(
      member.joinToken === undefined || state === 'PreparingRebalance',
      () => `no JoinGroup waits in ${state}`,
    )
    invariant(
      member.syncToken === undefined || state === 'CompletingRebalance',
      () => `no SyncGroup waits in ${state}`,
    )
  }
  if (state !== 'Stable') return
  invariant(stored?.generationId === group.generationId, 'a stable generation is stored')
  invariant(
    stored.members.length === members.size &&
      stored.members.every(({ memberId }) => members.has(memberId)),
    'every member of a stable group has an assignment',
  )
}
