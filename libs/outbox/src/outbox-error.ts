import { OperationalError } from '@fairlead/base'

/** An event that cannot be written: it is not in the outbox's event sets, or breaks its schema. */
export class OutboxError extends OperationalError {
  override readonly name = 'OutboxError'

  constructor(message: string, cause?: unknown) {
    super(message, { code: 'OUTBOX_EVENT_REFUSED', retryable: false, cause })
  }
}

/** A token was asked for too early, or of a transaction that wrote nothing in the end. */
export class TransactionNotCommittedError extends OperationalError {
  override readonly name = 'TransactionNotCommittedError'

  constructor(message: string) {
    super(message, { code: 'TRANSACTION_NOT_COMMITTED', retryable: false })
  }
}
