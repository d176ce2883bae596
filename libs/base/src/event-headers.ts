/**
 * Record headers that the relay writes and every reader of its topics may rely on. Values are UTF-8
 * text. `id` and `eventType` are the names that Debezium's outbox event router documents.
 */
export const EVENT_HEADERS = {
  /** `id` of the outbox row: unique per event. */
  id: 'id',
  /** `type` of the outbox row, such as `OrderPlaced`. */
  type: 'eventType',
  /** LSN of the commit record of the event's transaction, in Postgres' text form. */
  commitLsn: 'cdc.lsn',
  /** Index of the event in its transaction, from 0, in decimal. */
  commitIndex: 'cdc.seq',
  /** Commit time in milliseconds since the Unix epoch, in decimal. */
  commitTimestampMs: 'cdc.ts',
  /**
   * `true` on a record that was published behind its place in the log: an event that was parked, or
   * a row of a snapshot. Its position tells nothing of the records around it.
   */
  replayed: 'cdc.replayed',
  /**
   * With `provide.transaction.metadata`: the transaction of the event and its place there, with the names and
   * the meaning of the block `transaction` of Debezium's envelope. Places are in decimal, from 1.
   */
  transaction: 'cdc.transaction.id',
  totalOrder: 'cdc.transaction.total_order',
  dataCollectionOrder: 'cdc.transaction.data_collection_order',
  /**
   * `pg_current_xact_id()` of the event's transaction, in decimal. Written by the outbox of a service,
   * for those who wait until a projection has applied what they wrote.
   */
  transactionId: 'txId',
  /** W3C Trace Context. */
  traceparent: 'traceparent',
  tracestate: 'tracestate',
} as const
