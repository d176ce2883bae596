/**
 * Bytes or text from outside do not have the form that their format demands. It ends at the
 * connection, or on the dead-letter path; it never ends the process.
 */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
  /** Byte (or, for text, UTF-16 unit) position in the input where decoding stopped. */
  readonly position: number
  /** Where in the value, such as `.lines[2].price`, as far as that is known. */
  readonly path: string
  readonly #reason: string

  constructor(message: string, position: number, path = '') {
    super(`${path === '' ? '' : `${path}: `}${message} (at position ${position})`)
    this.position = position
    this.path = path
    this.#reason = message
  }

  /** The same error of a part, as one of the whole. */
  within(place: string, position: number = this.position): DecodeError {
    return new DecodeError(this.#reason, position, `${place}${this.path}`)
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
