export {
  type CommitPosition,
  type CommitToken,
  CommitTokenError,
  UNKNOWN_LSN,
  filterCommitToken,
  formatCommitToken,
  isCutCommitToken,
  joinCommitTokens,
  parseCommitToken,
} from './commit-token.ts'
export { type Outbox, type OutboxOptions, type UncommittedToken, createOutbox } from './outbox.ts'
export { OutboxError, TransactionNotCommittedError } from './outbox-error.ts'
export { type KeyCounts, eventCountOf, tellsPartitions } from './key-counts.ts'
