import { postgresErrorCode } from '@fairlead/postgres'

export const LOCK_NOT_AVAILABLE = '55P03'
export const DEADLOCK_DETECTED = '40P01'

/** By another transaction, for longer than this one was to wait. */
export function isHeld(error: unknown): boolean {
  const code = postgresErrorCode(error)
  return code === LOCK_NOT_AVAILABLE || code === DEADLOCK_DETECTED
}
