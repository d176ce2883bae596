import type { ErrorCode } from '@fairlead/protocol'
import type { Group, Member } from './group.ts'

export type MemberIdentity = {
  readonly memberId: string
  readonly groupInstanceId: string | null
}

/**
 * Finds the member that a request speaks for.
 *
 * A static member that was replaced (its instance id now maps to another member id) is fenced: it
 * learns that another process has its place, and stops (KIP-345).
 */
export function findMember(
  group: Group,
  { memberId, groupInstanceId }: MemberIdentity,
):
  | { readonly ok: true; readonly member: Member }
  | { readonly ok: false; readonly errorCode: ErrorCode } {
  if (groupInstanceId !== null) {
    const current = group.staticMembers.get(groupInstanceId)
    if (current === undefined) return { ok: false, errorCode: 'UNKNOWN_MEMBER_ID' }
    if (current !== memberId) return { ok: false, errorCode: 'FENCED_INSTANCE_ID' }
  }
  const member = group.members.get(memberId)
  return member === undefined ? { ok: false, errorCode: 'UNKNOWN_MEMBER_ID' } : { ok: true, member }
}
