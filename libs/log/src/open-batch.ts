import { DecodeError } from '@fairlead/base'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  type Compress,
  type Crc32c,
  type Decompress,
  DecompressedTooLarge,
  checkRecords,
  recompressBatch,
} from '@fairlead/protocol'
import { refused, validateBatches } from './batch-validation.ts'
import type { LogConfig } from './log-config.ts'
import type { AppendRefusal } from './outcomes.ts'
import { recordRules, recordsRefusal } from './record-rules.ts'

export type OpenBatchOptions = {
  readonly config: LogConfig
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly nowMs: number
  /** Must bound what it makes, and throw `DecodeError`, or `DecompressedTooLarge`. */
  readonly decompress: Decompress
  readonly compress: Compress
  readonly crc32c: Crc32c
}

/**
 * Whether a client's batch has to go through `openBatch` before it is appended: to be stored under
 * the compression of its topic, or because a rule of the topic concerns records that are compressed.
 */
export function mustOpen(header: BatchHeader, config: LogConfig): boolean {
  const { compressionType, cleanupPolicy } = config
  if (compressionType !== 'producer' && compressionType !== header.compression) return true
  if (header.compression === 'none') return false
  const hasOldestTime =
    config.messageTimestampType === 'CreateTime' &&
    config.messageTimestampBeforeMaxMs < Number.MAX_SAFE_INTEGER
  return hasOldestTime || cleanupPolicy.includes('compact')
}

/**
 * Checks the one batch of a client down to its records, and writes it anew under the compression of
 * its topic. It changes nothing of what it is given, and may run on another thread.
 *
 * The times of the records are not changed here: `PartitionLog.append` does what the topic demands.
 */
export function openBatch(
  records: Uint8Array,
  options: OpenBatchOptions,
): { readonly ok: true; readonly records: Uint8Array } | AppendRefusal {
  const { config, nowMs, crc32c } = options
  const valid = validateBatches(records, { config, nowMs, crc32c, origin: 'client' })
  if (!valid.ok) return valid
  const [batch] = valid.batches
  if (batch === undefined || valid.batches.length > 1) {
    return refused('INVALID_RECORD', 'a client writes one batch per partition')
  }
  const { header } = batch
  const target = config.compressionType === 'producer' ? header.compression : config.compressionType
  try {
    const plain = decompressed(records, header, options.decompress)
    const summary = checkRecords(plain, 0, header.recordCount)
    const refusal = recordsRefusal(plain, 0, { header, summary }, recordRules(config, nowMs))
    if (refusal !== undefined) return refusal
    if (target === header.compression) return { ok: true, records }
    const maxTimestampMs = header.baseTimestampMs + summary.maxTimestampDeltaMs
    const rewrite = { compression: target, maxTimestampMs, compress: options.compress, crc32c }
    return { ok: true, records: recompressBatch(header, plain, rewrite) }
  } catch (error) {
    if (error instanceof DecompressedTooLarge) return refused('MESSAGE_TOO_LARGE', error.message)
    if (error instanceof DecodeError) return refused('INVALID_RECORD', error.message)
    throw error
  }
}

function decompressed(
  records: Uint8Array,
  { compression, sizeBytes }: BatchHeader,
  decompress: Decompress,
): Uint8Array {
  const stored = records.subarray(BATCH_HEADER_BYTES, sizeBytes)
  return compression === 'none' ? stored : decompress(compression, stored)
}
