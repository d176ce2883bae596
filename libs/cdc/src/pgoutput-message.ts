import type { Lsn } from '@fairlead/base'
import type { Tuple } from './tuple.ts'

/** A message of logical replication, protocol version 1, plus logical decoding messages. */
export type PgOutputMessage =
  | BeginMessage
  | CommitMessage
  | RowMessage
  | { readonly kind: 'relation'; readonly relation: Relation }
  | { readonly kind: 'truncate'; readonly relations: readonly Relation[]; readonly options: number }
  | {
      readonly kind: 'type'
      readonly typeOid: number
      readonly schema: string
      readonly name: string
    }
  | { readonly kind: 'origin'; readonly originLsn: Lsn; readonly name: string }
  | LogicalMessage

export type BeginMessage = {
  readonly kind: 'begin'
  /** LSN of the commit record of this transaction: known before its first row. */
  readonly commitLsn: Lsn
  readonly commitTimestampMs: number
  readonly commitTimestampUs: number
  readonly xid: number
}

export type CommitMessage = {
  readonly kind: 'commit'
  readonly commitLsn: Lsn
  /** First byte after the commit record: what is confirmed when the transaction is done. */
  readonly endLsn: Lsn
  readonly commitTimestampMs: number
}

export type RowMessage =
  | { readonly kind: 'insert'; readonly relation: Relation; readonly row: Tuple }
  | {
      readonly kind: 'update'
      readonly relation: Relation
      readonly row: Tuple
      /** The replica identity before the update, when it changed or is FULL. */
      readonly oldRow: Tuple | undefined
    }
  | { readonly kind: 'delete'; readonly relation: Relation; readonly oldRow: Tuple }

/** Written with `pg_logical_emit_message`. */
export type LogicalMessage = {
  readonly kind: 'message'
  /** False: sent at once, outside of any transaction, even when its transaction rolls back. */
  readonly isTransactional: boolean
  /** Where its record ends; the next one may begin there. */
  readonly messageLsn: Lsn
  readonly prefix: string
  /** A view of the message. */
  readonly content: Uint8Array
}

export type Relation = {
  readonly relationOid: number
  readonly schema: string
  readonly table: string
  /** `d` default, `n` nothing, `f` full, `i` index. */
  readonly replicaIdentity: string
  readonly columns: readonly RelationColumn[]
}

export type RelationColumn = {
  readonly name: string
  readonly isKey: boolean
  readonly typeOid: number
  readonly typeModifier: number
}
