export {
  type AnyEvent,
  type ErrorOptions,
  type EventFailureAction,
  type FoldBuilder,
  type FoldProjection,
  type Projection,
  type SqlBuilder,
  type SqlProjection,
  defineProjection,
  remove,
} from './definition.ts'
export type { Duration } from './duration.ts'
export {
  type Row,
  type RowKey,
  type SqlTypeOf,
  type Table,
  type TablesOf,
  tables,
} from './table.ts'
export {
  type Attempts,
  BatchLedger,
  type Letter,
  NO_ATTEMPTS,
  type Stage,
} from './batch-ledger.ts'
export { definitionText } from './definition-text.ts'
export {
  type BatchDecision,
  EventFailure,
  type FailureClass,
  FencedError,
  INFRA_BACKOFF,
  classifyFailure,
  decideBatchFailure,
  isEventFault,
} from './failure.ts'
export { FloodBreaker } from './flood-breaker.ts'
export { type RowChanges, foldBatch, foldOne, rowKeyOf, rowKeysOf } from './fold.ts'
export {
  type LogRecord,
  type PreparedRecord,
  type RecordPlan,
  headersText,
  keyText,
  planRecord,
  readSource,
} from './log-record.ts'
export { type Admitted, type Progress, admit } from './progress.ts'
export type { SourcePosition, SourceProgress } from './source-position.ts'
