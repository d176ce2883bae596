import type { EventPosition } from '../event-position.ts'
import type { Relation } from '../pgoutput-message.ts'
import type { TransactionOrder } from '../transaction-events.ts'
import {
  type ConnectSchema,
  type ConnectValue,
  OPTIONAL_INT64,
  OPTIONAL_STRING,
  logical,
  optional,
  required,
  struct,
} from '../connect/connect-schema.ts'

/** Of Debezium's envelope: create, update, delete, truncate; read is a row of a snapshot. */
export type Operation = 'c' | 'u' | 'd' | 't' | 'r'

/** Of the source block: the row is from the log, from an initial or from an incremental snapshot. */
export type SnapshotState = 'false' | 'true' | 'incremental'

export type SourceFacts = {
  readonly version: string
  /** `topic.prefix` */
  readonly name: string
  readonly database: string
}

export type ChangeTime = {
  readonly position: EventPosition
  /** Null for a row that was read from its table: which transaction wrote it is not known. */
  readonly xid: number | null
  readonly commitTimestampUs: number
  /** When the relay made the record. */
  readonly nowMs: number
}

const STRING = required('string')
const INT64 = required('int64')
const SNAPSHOT_STATES =
  'true,first,first_in_data_collection,last_in_data_collection,last,false,incremental'

/** `io.debezium.connector.postgresql.Source`, field by field. */
const SOURCE_SCHEMA: ConnectSchema = {
  ...struct('io.debezium.connector.postgresql.Source', [
    { name: 'version', schema: STRING },
    { name: 'connector', schema: STRING },
    { name: 'name', schema: STRING },
    { name: 'ts_ms', schema: INT64 },
    {
      name: 'snapshot',
      schema: {
        ...optional(logical('string', 'io.debezium.data.Enum', { allowed: SNAPSHOT_STATES })),
        defaultValue: 'false',
      },
    },
    { name: 'db', schema: STRING },
    { name: 'sequence', schema: OPTIONAL_STRING },
    { name: 'ts_us', schema: OPTIONAL_INT64 },
    { name: 'ts_ns', schema: OPTIONAL_INT64 },
    { name: 'schema', schema: STRING },
    { name: 'table', schema: STRING },
    { name: 'txId', schema: OPTIONAL_INT64 },
    { name: 'lsn', schema: OPTIONAL_INT64 },
    { name: 'xmin', schema: OPTIONAL_INT64 },
    { name: 'origin', schema: OPTIONAL_STRING },
    { name: 'origin_lsn', schema: OPTIONAL_INT64 },
  ]),
  version: 1,
}

const TRANSACTION_SCHEMA: ConnectSchema = {
  ...struct('event.block', [
    { name: 'id', schema: STRING },
    { name: 'total_order', schema: INT64 },
    { name: 'data_collection_order', schema: INT64 },
  ]),
  isOptional: true,
  version: 1,
}

/** The envelope of a table whose rows have `row` for a schema; `name` is the table's. */
export function envelopeSchema(name: string, row: ConnectSchema): ConnectSchema {
  const state = optional(row)
  return {
    ...struct(`${name}.Envelope`, [
      { name: 'before', schema: state },
      { name: 'after', schema: state },
      { name: 'source', schema: SOURCE_SCHEMA },
      { name: 'transaction', schema: TRANSACTION_SCHEMA },
      { name: 'op', schema: STRING },
      { name: 'ts_ms', schema: OPTIONAL_INT64 },
      { name: 'ts_us', schema: OPTIONAL_INT64 },
      { name: 'ts_ns', schema: OPTIONAL_INT64 },
    ]),
    version: 2,
  }
}

/** A value of `envelopeSchema`. The LSN is that of the commit: a row has no place of its own. */
export function envelope(
  operation: Operation,
  states: { readonly before: ConnectValue; readonly after: ConnectValue },
  source: ConnectValue,
  order: TransactionOrder | undefined,
  nowMs: number,
): ConnectValue {
  const { before, after } = states
  const now = BigInt(Math.round(nowMs))
  const transaction = order === undefined ? null : transactionBlock(order)
  return [before, after, source, transaction, operation, now, now * 1_000n, now * 1_000_000n]
}

function transactionBlock(order: TransactionOrder): ConnectValue {
  return [order.transactionId, BigInt(order.totalOrder), BigInt(order.dataCollectionOrder)]
}

export function sourceBlock(
  relation: Relation,
  facts: SourceFacts,
  time: ChangeTime,
  snapshot: SnapshotState,
): ConnectValue {
  const micros = BigInt(time.commitTimestampUs)
  const { commitLsn, commitIndex } = time.position
  return [
    facts.version,
    'postgresql',
    facts.name,
    micros / 1_000n,
    snapshot,
    facts.database,
    `["${commitLsn}","${commitIndex}"]`,
    micros,
    micros * 1_000n,
    relation.schema,
    relation.table,
    time.xid === null ? null : BigInt(time.xid),
    commitLsn,
    null,
    null,
    null,
  ]
}
