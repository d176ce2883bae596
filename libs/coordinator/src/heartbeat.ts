import { assertNever } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import type { Group } from './group.ts'
import { findMember } from './membership.ts'
import type { HeartbeatRequest } from './messages.ts'
import { extendSession } from './rebalance.ts'
import type { Turn } from './turn.ts'

/**
 * Heartbeat (key 12).
 *
 * v3  static members
 * v4  flexible
 *
 * REBALANCE_IN_PROGRESS asks the member to rejoin; its session goes on meanwhile.
 */
export function heartbeat(group: Group, request: HeartbeatRequest, turn: Turn): ErrorCode {
  const found = findMember(group, request)
  if (!found.ok) return found.errorCode
  if (request.generationId !== group.generationId) return 'ILLEGAL_GENERATION'
  switch (group.state) {
    case 'Empty':
      return 'UNKNOWN_MEMBER_ID'
    case 'PreparingRebalance':
      extendSession(found.member, turn)
      return 'REBALANCE_IN_PROGRESS'
    case 'CompletingRebalance':
    case 'Stable':
      extendSession(found.member, turn)
      return 'NONE'
    default:
      return assertNever(group.state)
  }
}
