import { OperationalError } from '@fairlead/base'

/** The embedded server could not be installed, initialised, started or stopped. */
export class EmbeddedPostgresError extends OperationalError {
  override readonly name = 'EmbeddedPostgresError'

  constructor(message: string, code: string, cause?: unknown) {
    super(message, { code, retryable: false, cause })
  }
}
