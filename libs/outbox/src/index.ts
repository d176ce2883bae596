export {
  type CommitPosition,
  type CommitToken,
  CommitTokenError,
  formatCommitToken,
  joinCommitTokens,
  parseCommitToken,
} from './commit-token.ts'
export { type Outbox, OutboxError, type OutboxOptions, createOutbox } from './outbox.ts'
