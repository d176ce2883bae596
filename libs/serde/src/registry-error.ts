import { OperationalError } from '@fairlead/base'

/** Unauthorized, Forbidden, Proxy Authentication Required. */
const CREDENTIALS_REFUSED: ReadonlySet<number> = new Set([401, 403, 407])

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

  /**
   * Whether the registry has said that there is no such schema, or the schema that it gave is none. Not so where it
   * refuses whoever asks, whose password may be put right, and where what answers in its place is none: registries
   * give their reasons a number.
   */
  get isAboutSchema(): boolean {
    if (this.retryable) return false
    if (this.status === undefined) return true
    return this.errorCode !== undefined && !CREDENTIALS_REFUSED.has(this.status)
  }
}
