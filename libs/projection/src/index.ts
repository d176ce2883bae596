export {
  type AnyEvent,
  type ChangeHandler,
  type CommutativeProjection,
  type FoldHandler,
  type FoldProjection,
  type LookUpContext,
  type Projection,
  type RowsBuilder,
  type SqlBuilder,
  type SqlContext,
  type SqlProjection,
  defineProjection,
  remove,
} from './definition.ts'
export type {
  ErrorOptions,
  EventFailureAction,
  EventFailureContext,
  ParkLimits,
  RetryPolicy,
} from './error-rules.ts'
export { addUpBatch, changeOf, foldOfChanges } from './commutative.ts'
export {
  type ChangeOf,
  type Operation,
  type OperationsOf,
  addChanges,
} from './commutative-columns.ts'
export { refusedColumn } from './column-values.ts'
export { mayBeSpelledTwice, mayMeetOtherSpellings } from './key-spelling.ts'
export { keepingTransaction } from './open-transaction.ts'
export { KeyLanes } from './key-lanes.ts'
export { LookedUp, enrichedFor } from './looked-up.ts'
export type { BatchBounds } from './batch-bounds.ts'
export { type Duration, durationMs } from './duration.ts'
export type { EventSource, SourceEvent, SourceType } from './event-source.ts'
export {
  type Row,
  type RowKey,
  type SqlTypeOf,
  type Table,
  type TableOf,
  type TablesOf,
  tables,
} from './table.ts'
export { type TableIndex, shownIndex } from './table-indexes.ts'
export { Attempts } from './attempts.ts'
export { BatchLedger, type Letter, type SkippedEvent, type Stage } from './batch-ledger.ts'
export { type EventHeaders, EventHeadersReader } from './event-headers.ts'
export { headersWhenRead, looksTwice, readsHeadersLate } from './headers-when-read.ts'
export { definitionText } from './definition-text.ts'
export {
  type BatchDecision,
  EventFailure,
  type FailureClass,
  FencedError,
  INFRA_BACKOFF,
  classifyFailure,
  decideBatchFailure,
  errorCode,
  isEventFault,
} from './failure.ts'
export { FloodBreaker, type KeyCounts } from './flood-breaker.ts'
export {
  type ChangedRows,
  type RowChanges,
  changesOf,
  foldBatch,
  foldInto,
  foldOne,
  rowKeyOf,
  rowKeysOf,
  sortedKeys,
} from './fold.ts'
export {
  type LogRecord,
  type PreparedRecord,
  type RecordPlan,
  headersText,
  keyText,
  planOf,
  planRecord,
  readValue,
  unitOf,
} from './log-record.ts'
export { NEVER_RETRIED, type ParkedFailure, nextTryDelayMs, parkedRetryOf } from './parked-retry.ts'
export { type Admitted, type Progress, admit } from './progress.ts'
export { type Suspects, setSuspectsApart, trialFold } from './trial-fold.ts'
export { CompletionRate } from './completion-rate.ts'
export { EffectRanges, type StoredRanges } from './effect-ranges.ts'
export { comesBefore } from './merge-order.ts'
export { SeenIds, idTimeMs, messageIdOf } from './message-id.ts'
export { REDACTED, redactPersonal } from './personal-data.ts'
export { redactedError } from './redacted-error.ts'
export type { SourcePosition, SourceProgress } from './source-position.ts'
export { type ValueTypes, valueTypes } from './value-types.ts'
