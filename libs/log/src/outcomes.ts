import type { Offset } from '@fairlead/base'

/** Answers of a partition log: expected outcomes are values, with Kafka's error code names. */

export type AppendContext = {
  /** Epoch of the leader that appends; written into every batch. Never goes back. */
  readonly leaderEpoch: number
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly nowMs: number
  /** Batches of a coordinator may be control batches and carry no sequence. */
  readonly origin: 'client' | 'coordinator'
}

export type AppendErrorCode =
  | 'CORRUPT_MESSAGE'
  | 'INVALID_RECORD'
  | 'INVALID_TIMESTAMP'
  | 'MESSAGE_TOO_LARGE'
  | 'OUT_OF_ORDER_SEQUENCE_NUMBER'
  | 'INVALID_PRODUCER_EPOCH'
  | 'INVALID_TXN_STATE'
  | 'REQUEST_TIMED_OUT'
  | 'UNKNOWN_TOPIC_OR_PARTITION'
  | 'KAFKA_STORAGE_ERROR'

export type AppendRefusal = {
  readonly ok: false
  readonly errorCode: AppendErrorCode
  readonly message: string
  /** The records that broke a rule, if it was single ones (KIP-467). */
  readonly recordErrors?: readonly RecordError[]
  /** What Kafka counts such batches as. */
  readonly rejected?: RejectedRecords
}

/** The kinds of batches that Kafka's `BrokerTopicMetrics` counts when the log validator refuses them. */
export type RejectedRecords =
  | 'noKeyCompactedTopic'
  | 'invalidMagicNumber'
  | 'invalidMessageCrc'
  | 'invalidOffsetOrSequence'

export type RecordError = {
  /** Index of the record in its batch. */
  readonly batchIndex: number
  readonly message: string
}

export type Appended = {
  readonly ok: true
  readonly baseOffset: Offset
  readonly lastOffset: Offset
  /** -1 unless the topic stamps LogAppendTime. */
  readonly logAppendTimeMs: number
  readonly logStartOffset: Offset
  /** True when an idempotent producer sent these batches before: the offsets are the first ones. */
  readonly duplicate: boolean
}

export type AppendResult = Appended | AppendRefusal

export type ReadRequest = {
  readonly fetchOffset: number
  /** Soft: the first batch is returned whatever its size (KIP-74), unless `isHardLimit`. */
  readonly maxBytes: number
  /** Nothing is returned when not even the first batch fits. */
  readonly isHardLimit?: boolean
  /** No batch with an offset at or above it is returned; the high watermark when left out. */
  readonly upTo?: number
}

export type ReadResult =
  | {
      readonly ok: true
      /** Whole batches in offset order, as written. Not to be changed: they may be cached. */
      readonly chunks: readonly Uint8Array[]
      /**
       * To be called once nobody reads the chunks any more: their memory is used for others then. If it
       * is never called, the chunks stay as they are.
       */
      readonly release: () => void
      readonly sizeBytes: number
      /** What the chunks keep in memory until they are released: their buffers, not only the batches. */
      readonly heldBytes: number
      /** Where the next read goes on; `fetchOffset` when there is nothing yet. */
      readonly nextOffset: Offset
    }
  | {
      readonly ok: false
      readonly errorCode:
        | 'OFFSET_OUT_OF_RANGE'
        | 'KAFKA_STORAGE_ERROR'
        | 'UNKNOWN_TOPIC_OR_PARTITION'
      readonly message: string
    }

export type FoundOffset = {
  readonly offset: Offset
  readonly timestampMs: number
  readonly leaderEpoch: number
}

export type TimestampLookup =
  | { readonly ok: true; readonly found: FoundOffset | null }
  | {
      readonly ok: false
      readonly errorCode: 'KAFKA_STORAGE_ERROR' | 'UNKNOWN_TOPIC_OR_PARTITION'
      readonly message: string
    }

export type DeletedRecords =
  /** The first offset that is left. */
  | { readonly ok: true; readonly logStartOffset: Offset }
  | {
      readonly ok: false
      readonly errorCode:
        | 'OFFSET_OUT_OF_RANGE'
        | 'KAFKA_STORAGE_ERROR'
        | 'UNKNOWN_TOPIC_OR_PARTITION'
      readonly message: string
    }
