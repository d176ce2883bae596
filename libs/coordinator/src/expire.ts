import { type Group, isSessionWatched } from './group.ts'
import type { CommittedOffset } from './group-record.ts'
import {
  dropMember,
  expireJoin,
  expireSync,
  maybeCompleteJoin,
  rebalanceOrCompleteJoin,
} from './rebalance.ts'
import { subscriptionOf, usesConsumerProtocol } from './subscribed-topics.ts'
import { type Turn, noteOffsets } from './turn.ts'
import type { GroupConfig } from './types.ts'

/** Does what is due in the group: sessions that ended, members that are late, delays that are over. */
export function expireDeadlines(group: Group, turn: Turn, config: GroupConfig): void {
  for (const [memberId, deadlineMs] of group.pendingMembers) {
    if (deadlineMs > turn.nowMs) continue
    group.pendingMembers.delete(memberId)
    maybeCompleteJoin(group, turn)
  }
  for (const member of group.members.values()) {
    if (member.sessionDeadlineMs > turn.nowMs || !isSessionWatched(member)) continue
    dropMember(group, member, turn)
    const reason = `nothing was heard of member ${member.memberId} for its session timeout`
    rebalanceOrCompleteJoin(group, turn, { config, reason })
  }
  if ((group.joinDeadlineMs ?? Infinity) <= turn.nowMs) expireJoin(group, turn, config)
  if ((group.syncDeadlineMs ?? Infinity) <= turn.nowMs) expireSync(group, turn, config)
}

/**
 * Removes offsets that nobody came back for (KIP-211), and then the group if nothing is left of it.
 *
 * It removes as many as one step may write. The retention of a group with members starts when the
 * last one has left, but for topics that a stable group of consumers does not subscribe to any more:
 * there, and in a group that only commits, it starts at each commit.
 */
export function expireOffsets(group: Group, turn: Turn, config: GroupConfig): void {
  const isEmpty = group.state === 'Empty'
  if (!isEmpty && !(group.state === 'Stable' && usesConsumerProtocol(group))) return
  const { replicated, groupId } = group
  const isSubscribed = isEmpty ? () => false : subscriptionOf(group)
  const emptySinceMs = isEmpty ? replicated.metadata?.stateTimestampMs : undefined
  for (const { topic, partition, committed } of replicated.offsets()) {
    if (turn.isFull()) break
    if (isSubscribed(topic)) continue
    if (expiresAtMs(committed, emptySinceMs, config) > turn.wallNowMs) continue
    turn.write({ kind: 'offsetCommit', groupId, topic, partition, value: null })
  }
  noteOffsets('offsetsExpired', group, turn)
  const isUnused = replicated.offsetCount === 0 && group.pendingMembers.size === 0
  if (isEmpty && isUnused && replicated.metadata !== undefined) {
    turn.note({ kind: 'groupDeleted', groupId })
    turn.write({ kind: 'groupMetadata', groupId, value: null })
  }
}

/**
 * A commit of the time without members (an administrator's) counts, too: it is not lost sooner than
 * a retention after it was made.
 */
function expiresAtMs(
  committed: CommittedOffset,
  emptySinceMs: number | undefined,
  { offsetsRetentionMs }: GroupConfig,
): number {
  if (committed.expireTimestampMs >= 0) return committed.expireTimestampMs
  return Math.max(emptySinceMs ?? 0, committed.commitTimestampMs) + offsetsRetentionMs
}

/** Offsets of topics that are gone; as many as one step may write. */
export function removeTopics(group: Group, topics: ReadonlySet<string>, turn: Turn): void {
  const { replicated, groupId } = group
  for (const { topic, partition } of replicated.offsets()) {
    if (turn.isFull()) break
    if (topics.has(topic)) {
      turn.write({ kind: 'offsetCommit', groupId, topic, partition, value: null })
    }
  }
  noteOffsets('offsetsDeleted', group, turn)
}
