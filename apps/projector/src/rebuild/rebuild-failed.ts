import { OperationalError } from '@fairlead/base'

/** Nothing but another definition, version or order helps: the job has failed. */
export class RebuildFailed extends OperationalError {
  override readonly name = 'RebuildFailed'

  constructor(message: string, cause?: unknown) {
    super(message, { code: 'REBUILD_FAILED', retryable: false, cause })
  }
}
