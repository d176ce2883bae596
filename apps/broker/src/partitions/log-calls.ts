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

/** The callbacks of a partition log as promises, for handlers. Each call starts synchronously. */

/** Resolves when the append counts, in the topic's durability mode. */
export function append(
  log: PartitionLog,
  records: Uint8Array,
  context: AppendContext,
): Promise<AppendResult> {
  return new Promise((resolve) => log.append(records, context, resolve))
}

export function read(log: PartitionLog, request: ReadRequest): Promise<ReadResult> {
  return new Promise((resolve) => log.read(request, resolve))
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
