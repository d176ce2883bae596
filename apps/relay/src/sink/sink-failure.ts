import { errorMessage } from '@fairlead/base'
import { KafkaError } from '@fairlead/kafka'
import { SessionFailure } from '../session-failure.ts'

/** Trouble of the brokers ends the session, and parks nothing. */
export function sinkFailure(error: unknown): SessionFailure {
  if (error instanceof SessionFailure) return error
  const code = error instanceof KafkaError ? error.code : 'UNEXPECTED'
  if (code === 'REVOKED') return slotUncertain(error)
  return new SessionFailure({ kind: 'sink-failed', code, reason: errorMessage(error) }, error)
}

export function slotUncertain(cause?: unknown): SessionFailure {
  const reason = 'this process was stopped or Postgres was silent: another relay may have the slot'
  return new SessionFailure({ kind: 'source-lost', code: 'SLOT_UNCERTAIN', reason }, cause)
}
