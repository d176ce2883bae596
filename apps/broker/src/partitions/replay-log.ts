import { invariant } from '@fairlead/base'
import { type PartitionLog, StorageError } from '@fairlead/log'
import { decodeRecords, splitBatches } from '@fairlead/protocol'
import { REPLAY_READ_BYTES } from '../limits.ts'
import { read } from './log-calls.ts'

export type ReplayedRecord = {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

/**
 * Calls `replay` with every record of a log that the broker itself wrote, in order, up to the end
 * that the log has now. Control batches are skipped.
 *
 * @throws {StorageError} when the log cannot be read.
 */
export async function replayLog(
  log: PartitionLog,
  replay: (record: ReplayedRecord) => void,
): Promise<void> {
  const endOffset = log.highWatermark
  let nextOffset = log.logStartOffset
  while (nextOffset < endOffset) {
    const result = await read(log, { fetchOffset: nextOffset, maxBytes: REPLAY_READ_BYTES })
    if (!result.ok) throw new StorageError(result.message, { code: result.errorCode })
    invariant(result.nextOffset > nextOffset, 'a read below the high watermark moves forward')
    for (const chunk of result.chunks) replayChunk(chunk, replay)
    nextOffset = result.nextOffset
    result.release()
  }
}

function replayChunk(chunk: Uint8Array, replay: (record: ReplayedRecord) => void): void {
  for (const batch of splitBatches(chunk)) {
    if (batch.isControl) continue
    for (const record of decodeRecords(chunk, batch.position, batch)) replay(record)
  }
}
