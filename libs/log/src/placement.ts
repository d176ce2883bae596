import { invariant } from '@fairlead/base'
import {
  type BatchHeader,
  type Crc32c,
  readBatchHeader,
  setLogAppendTime,
  setMaxTimestamp,
  stampBatch,
} from '@fairlead/protocol'
import type { ValidBatch } from './batch-validation.ts'
import type { PlacedBatch } from './log-writer.ts'
import type { ProducerEntry } from './producer-state.ts'

export type Placement = {
  readonly baseOffset: number
  readonly leaderEpoch: number
  readonly nowMs: number
  /** Whether the time of the append takes the place of the client's (`message.timestamp.type`). */
  readonly isLogAppendTime: boolean
  readonly crc32c: Crc32c
}

/**
 * Gives batches their offsets: stamps base offset and leader epoch, and the time of the append where
 * the topic wants it, into `records`.
 */
export function placeBatches(
  records: Uint8Array,
  batches: readonly ValidBatch[],
  entries: readonly (ProducerEntry | null)[],
  placement: Placement,
): readonly PlacedBatch[] {
  invariant(entries.length === batches.length, 'every batch was admitted')
  const { leaderEpoch, nowMs, isLogAppendTime, crc32c } = placement
  let nextOffset = placement.baseOffset
  return batches.map(({ position, header, maxTimestampMs }, index): PlacedBatch => {
    const stamp = { baseOffset: nextOffset, partitionLeaderEpoch: leaderEpoch }
    stampBatch(records, position, stamp)
    let placed: BatchHeader = { ...header, ...stamp }
    if (isLogAppendTime) {
      setLogAppendTime(records, position, { logAppendTimeMs: nowMs, crc32c })
      placed = readBatchHeader(records, position)
    } else if (maxTimestampMs !== header.maxTimestampMs) {
      // Retention and lookups by time go by the header, which is the client's word.
      setMaxTimestamp(records, position, { maxTimestampMs, crc32c })
      placed = readBatchHeader(records, position)
    }
    nextOffset += header.lastOffsetDelta + 1
    return {
      header: placed,
      bytes: records.subarray(position, position + header.sizeBytes),
      nextOffset,
      nowMs,
      producerEntry: entries[index] ?? null,
    }
  })
}
