export { type BackoffPolicy, backoffDelayMs } from './backoff.ts'
export type { Brand } from './brand.ts'
export { BufferPool, type BufferPoolOptions } from './buffer-pool.ts'
export {
  DecodeError,
  OperationalError,
  type OperationalErrorOptions,
  errorMessage,
} from './errors.ts'
export { EVENT_HEADERS } from './event-headers.ts'
export { hyphenatedUuid } from './hyphenated-uuid.ts'
export { InvariantViolation, assertNever, invariant } from './invariant.ts'
export { type Lsn, formatLsn, lsn, parseLsn } from './lsn.ts'
export { keyHash, partitionOfBytes, partitionOfKey } from './murmur2.ts'
export { nearestName } from './nearest-name.ts'
export { type Offset, offset, offsetAfter } from './offset.ts'
export type { Clock, Random, Timers } from './ports.ts'
export { isConnectionMessage, isPeerErrorCode, isTlsPeerErrorCode } from './peer-errors.ts'
export {
  copyBytes,
  nullableBytesSize,
  readVarint,
  varintSize,
  writeNullableBytes,
  writeVarint,
} from './record-bytes.ts'
export { truncated } from './truncated.ts'
