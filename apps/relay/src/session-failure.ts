import type { HaltCode, SessionEnd } from './relay-state.ts'

/** Ends a session from anywhere inside of it, for the reason that it carries. */
export class SessionFailure extends Error {
  override readonly name = 'SessionFailure'
  readonly end: SessionEnd

  constructor(end: SessionEnd, cause?: unknown) {
    super('reason' in end ? end.reason : end.kind, cause === undefined ? undefined : { cause })
    this.end = end
  }
}

export function halt(code: HaltCode, reason: string): SessionFailure {
  return new SessionFailure({ kind: 'halted', code, reason })
}
