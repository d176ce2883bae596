/**
 * Bytes or text from outside do not have the form that their format demands. It ends at the
 * connection, or on the dead-letter path; it never ends the process.
 */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
  /** Byte (or, for text, UTF-16 unit) position in the input where decoding stopped. */
  readonly position: number

  constructor(message: string, position: number) {
    super(`${message} (at position ${position})`)
    this.position = position
  }
}

export type OperationalErrorOptions = {
  /** Stable name of the failure, in upper case: for logs, metrics and callers. */
  readonly code: string
  /** True when the same call may succeed later without anybody changing its input. */
  readonly retryable: boolean
  readonly cause?: unknown
}

/** Something outside this process failed: disk, network, database, broker. */
export class OperationalError extends Error {
  override readonly name: string = 'OperationalError'
  readonly code: string
  readonly retryable: boolean

  constructor(message: string, options: OperationalErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = options.code
    this.retryable = options.retryable
  }
}

/** The message of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
