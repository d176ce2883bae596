import { truncated } from '@fairlead/base'
import type { Group } from './group.ts'
import type { DeleteGroupsResponse } from './messages.ts'
import { type Turn, noteOffsets } from './turn.ts'

type DeletionResult = DeleteGroupsResponse['results'][number]

/** Of a group id in a message. */
const QUOTED_LENGTH_MAX = 255

/**
 * DeleteGroups (key 42), whether one group may go.
 *
 * v2  flexible
 * v3  error message per group
 *
 * Only a group without members is deleted; who is about to join it must begin again.
 */
export function checkDeletable(groupId: string, group: Group | undefined): DeletionResult {
  const quoted = truncated(groupId, QUOTED_LENGTH_MAX)
  if (group === undefined) {
    return refusedDeletion(groupId, 'GROUP_ID_NOT_FOUND', `Group ${quoted} not found.`)
  }
  if (group.state !== 'Empty') {
    const message = `Group ${quoted} is ${group.state}; stop its ${group.members.size} members first.`
    return refusedDeletion(groupId, 'NON_EMPTY_GROUP', message)
  }
  return { groupId, errorCode: 'NONE', errorMessage: null }
}

export function refusedDeletion(
  groupId: string,
  errorCode: DeletionResult['errorCode'],
  errorMessage: string | null = null,
): DeletionResult {
  return { groupId, errorCode, errorMessage }
}

/** Removes the group with all its offsets, as much of it as one step may write. */
export function deleteGroup(group: Group, turn: Turn): void {
  const { replicated, groupId } = group
  group.pendingMembers.clear()
  for (const { topic, partition } of replicated.offsets()) {
    if (turn.isFull()) break
    turn.write({ kind: 'offsetCommit', groupId, topic, partition, value: null })
  }
  noteOffsets('offsetsDeleted', group, turn)
  if (turn.isFull()) return
  turn.note({ kind: 'groupDeleted', groupId })
  if (replicated.metadata !== undefined) {
    turn.write({ kind: 'groupMetadata', groupId, value: null })
  }
}
