export { ConfirmedLsn, type PendingTransaction } from './confirmed-lsn.ts'
export {
  type EventPosition,
  comparePositions,
  formatPosition,
  parsePosition,
} from './event-position.ts'
export { type OutboxFields, requiredColumns } from './outbox-columns.ts'
export { type EventHeader, SOURCE_HEADER } from './outbox-headers.ts'
export {
  type EventIdentity,
  OutboxRouter,
  type OutboxRouterOptions,
  type RouteOutcome,
  type RoutedEvent,
  type UnroutableCode,
  type UnroutableEvent,
} from './outbox-router.ts'
export { PgOutputDecoder, UnsupportedMessageError } from './pgoutput-decoder.ts'
export type {
  BeginMessage,
  CommitMessage,
  LogicalMessage,
  PgOutputMessage,
  Relation,
  RelationColumn,
  RowMessage,
} from './pgoutput-message.ts'
export { encodeStandbyStatus } from './standby-status.ts'
export {
  type CommittedTransaction,
  type RowChange,
  type StreamItem,
  TransactionAssembler,
} from './transaction-assembler.ts'
export { type ColumnValue, Tuple, UNCHANGED, tupleOf } from './tuple.ts'
