import { DecodeError, InvariantViolation, errorMessage } from '@fairlead/base'
import { ReplicationError, classifyPostgresError, postgresErrorCode } from '@fairlead/postgres'
import type { SessionEnd } from './relay-state.ts'
import { SessionFailure } from './session-failure.ts'
import { slotLostReason } from './source/slot.ts'

/** What an error means for the session. Throws it when it is a bug: the process ends. */
export function sessionEndOf(error: unknown, slotName: string): SessionEnd {
  if (error instanceof SessionFailure) return error.end
  const reason = errorMessage(error)
  if (error instanceof DecodeError) {
    return { kind: 'halted', code: 'STREAM_NOT_UNDERSTOOD', reason }
  }
  const code = postgresErrorCode(error) ?? 'CONNECTION_LOST'
  if (error instanceof ReplicationError) return endOfStream(slotName, code, reason)
  // A bug must not be retried for ever as if it were the network: the process ends.
  if (error instanceof InvariantViolation || classifyPostgresError(error) === 'unknown') throw error
  return { kind: 'source-lost', code, reason }
}

function endOfStream(slotName: string, code: string, reason: string): SessionEnd {
  switch (code) {
    case '55006':
      return { kind: 'slot-in-use', reason }
    case '55000':
      return { kind: 'halted', code: 'SLOT_LOST', reason: slotLostReason(slotName, reason) }
    case '42704':
      return reason.includes('publication')
        ? { kind: 'halted', code: 'PUBLICATION_MISSING', reason }
        : { kind: 'halted', code: 'SLOT_LOST', reason: slotLostReason(slotName, reason) }
    default:
      return { kind: 'source-lost', code, reason }
  }
}

export function sourceLost(reason: string): SessionEnd {
  return { kind: 'source-lost', code: 'CONNECTION_LOST', reason }
}
