import { OperationalError } from '@fairlead/base'

export type KafkaErrorOptions = {
  /**
   * Kafka's error name (`OFFSET_OUT_OF_RANGE`), or one of ours: `NETWORK`, `TIMEOUT`, `ABORTED`, `CLOSED`,
   * `CORRUPT_RESPONSE`, `INVALID_CONFIG` and others.
   */
  readonly code: string
  readonly retryable: boolean
  readonly cause?: unknown
  /** See {@link KafkaError.rejectedRecords}. */
  readonly rejectedRecords?: readonly RejectedRecord[]
}

/** A record of a `send` that the broker will never take. */
export type RejectedRecord = {
  /** Index in the array given to `send`. */
  readonly recordIndex: number
  /** Kafka's error name, such as `MESSAGE_TOO_LARGE` or `INVALID_RECORD`. */
  readonly code: string
  readonly message: string
}

/** A Kafka broker answered with an error, could not be reached, or did not answer in time. */
export class KafkaError extends OperationalError {
  override readonly name = 'KafkaError'
  /**
   * The records of the failed `send` that were rejected for what they are; empty for every other
   * failure. All other records of that `send` are stored.
   */
  readonly rejectedRecords: readonly RejectedRecord[]

  constructor(message: string, options: KafkaErrorOptions) {
    super(message, options)
    this.rejectedRecords = options.rejectedRecords ?? []
  }
}
