import { OperationalError } from '@fairlead/base'

const CODES = { 42209: 'SCHEMA_TOO_LARGE', 50001: 'STORE', 50002: 'STORE_TIMEOUT' } as const

type ErrorCode = keyof typeof CODES

/** The store could not do it: never (42209), or not now. `errorCode` is Confluent's. */
export class StoreError extends OperationalError {
  override readonly name = 'StoreError'
  readonly errorCode: ErrorCode

  constructor(
    message: string,
    options: { readonly errorCode: ErrorCode; readonly cause?: unknown },
  ) {
    const { errorCode, cause } = options
    super(message, { code: CODES[errorCode], retryable: errorCode >= 50_000, cause })
    this.errorCode = errorCode
  }
}
