export { type Outbox, OutboxError, type OutboxOptions, createOutbox } from './outbox.ts'
