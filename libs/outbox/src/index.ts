export {
  type CommitPosition,
  type CommitToken,
  CommitTokenError,
  formatCommitToken,
  isCutCommitToken,
  joinCommitTokens,
  parseCommitToken,
} from './commit-token.ts'
export { type Outbox, OutboxError, type OutboxOptions, createOutbox } from './outbox.ts'
export { type KeyCounts, eventCountOf, tellsPartitions } from './key-counts.ts'
