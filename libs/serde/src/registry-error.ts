import { OperationalError } from '@fairlead/base'

/**
 * The registry cannot be reached, or refuses. Retryable when the same request may succeed later:
 * no answer, 408, 429 and 5xx.
 */
export class RegistryError extends OperationalError {
  override readonly name = 'RegistryError'
  /** HTTP status; undefined without an answer. */
  readonly status: number | undefined
  /** Confluent's error code, such as 40403 or 40901. */
  readonly errorCode: number | undefined

  constructor(
    message: string,
    options: {
      readonly retryable: boolean
      readonly status?: number | undefined
      readonly errorCode?: number | undefined
      readonly cause?: unknown
    },
  ) {
    super(message, {
      code: options.errorCode === undefined ? 'REGISTRY' : `REGISTRY_${options.errorCode}`,
      retryable: options.retryable,
      cause: options.cause,
    })
    this.status = options.status
    this.errorCode = options.errorCode
  }
}
