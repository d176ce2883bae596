import type { ErrorCode } from '@fairlead/protocol'
import type { Group } from './group.ts'
import { type MemberIdentity, findMember } from './membership.ts'
import type { LeaveGroupRequest, LeaveGroupResponse } from './messages.ts'
import { clientReason, dropMember, rebalanceOrCompleteJoin } from './rebalance.ts'
import type { Turn } from './turn.ts'
import type { GroupConfig } from './types.ts'

/** From this version on a request names several members, and each has its own error. */
const BATCH_SINCE_VERSION = 3

/**
 * LeaveGroup (key 13).
 *
 * v3  several members, static ones by their instance id alone (KIP-345)
 * v4  flexible
 * v5  reason
 *
 * A group that does not exist answers UNKNOWN_MEMBER_ID for each member.
 */
export function leaveGroup(
  group: Group | undefined,
  request: LeaveGroupRequest,
  context: { readonly apiVersion: number; readonly config: GroupConfig },
  turn: Turn,
): LeaveGroupResponse {
  const isBatch = context.apiVersion >= BATCH_SINCE_VERSION
  const leaving: readonly MemberIdentity[] = isBatch
    ? request.members
    : [{ memberId: request.memberId, groupInstanceId: null }]
  const members = leaving.map(({ memberId, groupInstanceId }) => ({
    memberId,
    groupInstanceId,
    errorCode:
      group === undefined
        ? ('UNKNOWN_MEMBER_ID' as const)
        : removeOne(group, { memberId, groupInstanceId }, turn),
  }))
  const hasChanged = members.some(({ errorCode }) => errorCode === 'NONE')
  if (group !== undefined && group.state !== 'Empty' && hasChanged) {
    const reason = `members left the group${clientReason(reasonOf(request))}`
    rebalanceOrCompleteJoin(group, turn, { config: context.config, reason })
  }
  return isBatch
    ? { errorCode: 'NONE', members }
    : { errorCode: members[0]?.errorCode ?? 'NONE', members: [] }
}

/** The first that was given: a client leaves with one member, an administrator with one reason. */
function reasonOf({ members }: LeaveGroupRequest): string | null {
  return members.find(({ reason }) => reason !== null)?.reason ?? null
}

function removeOne(group: Group, identity: MemberIdentity, turn: Turn): ErrorCode {
  const { memberId, groupInstanceId } = identity
  if (group.pendingMembers.delete(memberId)) return 'NONE'
  // An administrator removes a static member by its instance id, without its member id.
  const byInstance =
    memberId === '' && groupInstanceId !== null
      ? (group.staticMembers.get(groupInstanceId) ?? '')
      : memberId
  const found = findMember(group, { memberId: byInstance, groupInstanceId })
  if (!found.ok) return found.errorCode
  dropMember(group, found.member, turn)
  return 'NONE'
}
