import type {
  AppendContext,
  AppendResult,
  DeletedRecords,
  DiskCallback,
  PartitionLog,
  ReadRequest,
  ReadResult,
  TimestampLookup,
} from '@fairlead/log'

/**
 * The callbacks of a partition log as promises, for handlers. Each call starts synchronously. What every
 * record goes through has its result without a promise when it is there at once, as it often is.
 */

export type AtOnceOrLater<Result> = Result | Promise<Result>

/** The answer once the append counts, in the topic's durability mode. */
export function append(
  log: PartitionLog,
  records: Uint8Array,
  context: AppendContext,
): AtOnceOrLater<AppendResult> {
  return atOnceOrLater((done) => log.append(records, context, done))
}

export function read(log: PartitionLog, request: ReadRequest): AtOnceOrLater<ReadResult> {
  return atOnceOrLater((done) => log.read(request, done))
}

function atOnceOrLater<Result extends object>(
  start: (done: (result: Result) => void) => void,
): AtOnceOrLater<Result> {
  let result: Result | undefined
  let resolve: ((result: Result) => void) | undefined
  start((given) => {
    result = given
    resolve?.(given)
  })
  return (
    result ??
    new Promise((resolveLater) => {
      resolve = resolveLater
    })
  )
}

/** Resolves when the new start of the log is durable. */
export function deleteRecords(log: PartitionLog, beforeOffset: number): Promise<DeletedRecords> {
  return new Promise((resolve) => log.deleteRecords(beforeOffset, resolve))
}

export function offsetForTimestamp(
  log: PartitionLog,
  timestampMs: number,
): Promise<TimestampLookup> {
  return new Promise((resolve) => log.offsetForTimestamp(timestampMs, resolve))
}

export function offsetOfMaxTimestamp(log: PartitionLog): Promise<TimestampLookup> {
  return new Promise((resolve) => log.offsetOfMaxTimestamp(resolve))
}

/** @throws {StorageError} what the disk answered. */
export function settled<Value>(start: (done: DiskCallback<Value>) => void): Promise<Value> {
  return new Promise((resolve, reject) =>
    start((result) => (result.ok ? resolve(result.value) : reject(result.error))),
  )
}
