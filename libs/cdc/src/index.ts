export { allowedTopic } from './allowed-topics.ts'
export {
  type SnapshotRow,
  TableCapture,
  type TableCaptureOptions,
} from './capture/table-capture.ts'
export {
  type ColumnFacts,
  EMPTY_CATALOG,
  type SourceCatalog,
  type TableFacts,
  type UserType,
} from './columns/source-catalog.ts'
export { DEFAULT_VALUE_OPTIONS, type ValueOptions } from './columns/value-options.ts'
export { ConfirmedLsn, type PendingTransaction } from './confirmed-lsn.ts'
export type { Converter } from './connect/converter.ts'
export { scalarTextOf } from './connect/json-converter.ts'
export { importDebezium } from './debezium/import-debezium.ts'
export {
  type DebeziumImport,
  type ImportLine,
  NotImportableError,
} from './debezium/import-report.ts'
export {
  type EventPosition,
  comparePositions,
  formatPosition,
  parsePosition,
  positionWithin,
} from './event-position.ts'
export { type OutboxFields, requiredColumns } from './outbox-columns.ts'
export { SOURCE_HEADER, orderHeaders, orderOf } from './outbox-headers.ts'
export { OutboxMessages } from './outbox-message.ts'
export {
  type Converters,
  type FieldPlacement,
  type OutboxRouterOptions,
  type TenantRouting,
  parsePlacements,
} from './outbox-options.ts'
export { type InvalidOperation, OutboxRouter, type RouteOutcome } from './outbox-router.ts'
export {
  type RangePartition,
  type TimeRange,
  intervalsAhead,
  planRotation,
} from './partition-rotation.ts'
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
export type { EventHeader, RecordBody } from './record-body.ts'
export {
  type EventIdentity,
  type RegistryEncoding,
  RoutedEvent,
  type RoutedParts,
  type UnroutableCode,
  type UnroutableEvent,
  identityOf,
} from './routed-event.ts'
export { type OutboxRow, type Route, type RouteFunction, defineRoute } from './route-function.ts'
export { RetirementGate, type WalObservation } from './retirement-gate.ts'
export { type ClosedWindow, SnapshotWindow } from './snapshot-window.ts'
export { type TimelineSwitch, parseTimelineHistory, sharedUntil } from './timeline-history.ts'
export { topicNameFault } from './topic-name.ts'
export { encodeStandbyStatus } from './standby-status.ts'
export {
  type BegunTransaction,
  type CommittedTransaction,
  type EmittedMessage,
  type RowChange,
  type StreamItem,
  type TruncatedTables,
  TransactionAssembler,
} from './transaction-assembler.ts'
export { TransactionEvents, type TransactionOrder } from './transaction-events.ts'
export {
  type TransactionBoundary,
  TransactionMarkers,
  type TransactionMarkersOptions,
} from './transaction-markers.ts'
export {
  type SlotReading,
  WalBudget,
  type WalBudgetOptions,
  type WalForecast,
  type WalLevel,
} from './wal-budget.ts'
export { type ColumnValue, Tuple, UNCHANGED, tupleOf } from './tuple.ts'
