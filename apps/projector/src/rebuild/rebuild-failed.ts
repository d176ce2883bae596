import { OperationalError } from '@fairlead/base'

/** Nothing but another definition, version or order helps: the job has failed. */
export class RebuildFailed extends OperationalError {
  override readonly name = 'RebuildFailed'

  constructor(message: string, cause?: unknown) {
    super(message, { code: 'REBUILD_FAILED', retryable: false, cause })
  }
}

/** A history in which more keys fail is not one with some poison in it: the code does not fit. */
const PARKED_KEYS_MAX = 10_000

/** @throws {RebuildFailed} when more keys fail than a working projection has. */
export function refuseFlood(parkedCount: number): void {
  if (parkedCount <= PARKED_KEYS_MAX) return
  throw new RebuildFailed(
    `more than ${PARKED_KEYS_MAX} keys fail: look at the version's dead letters, and give the projection a new version that handles them`,
  )
}
