import type { EncodedRecord, LogEntry } from '@fairlead/schemas'

/**
 * The topic `_schemas` as the store needs it. `KafkaSchemaLog` is the real one; tests run on memory.
 * Every method may reject with an `OperationalError`; the store calls it again.
 */
export interface SchemaLog {
  /** Makes sure that the topic exists, with one partition. */
  open(): Promise<void>
  /**
   * Appends one batch and answers the offset of each record. The records carry their expected
   * offsets from `expectedOffset` on; whether they landed there is for the caller to see.
   * Records that are too large for the topic are a `StoreError` with code 42209.
   */
  append(records: readonly EncodedRecord[], expectedOffset: number): Promise<readonly number[]>
  /** Waits a while for records from `fromOffset` on; none is a valid answer. */
  read(fromOffset: number, signal: AbortSignal): Promise<LogPage>
  /** Offset of the next record to be stored. */
  endOffset(): Promise<number>
  /** Id of the Kafka cluster that has the topic; null where it has none. */
  clusterId(): Promise<string | null>
  close(): Promise<void>
}

export type LogPage = {
  readonly entries: readonly LogEntry[]
  /** Where to go on reading; also beyond offsets that hold no record. */
  readonly nextOffset: number
}
