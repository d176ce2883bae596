import { OperationalError } from '@fairlead/base'

/** The store could not do it now. `errorCode` is Confluent's 500xx. */
export class StoreError extends OperationalError {
  override readonly name = 'StoreError'
  readonly errorCode: 50001 | 50002

  constructor(
    message: string,
    options: { readonly errorCode: 50001 | 50002; readonly cause?: unknown },
  ) {
    super(message, {
      code: options.errorCode === 50001 ? 'STORE' : 'STORE_TIMEOUT',
      retryable: true,
      cause: options.cause,
    })
    this.errorCode = options.errorCode
  }
}
