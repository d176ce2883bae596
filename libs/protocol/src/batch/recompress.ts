import { invariant } from '@fairlead/base'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  type CompressionType,
  writeBatchHeader,
} from './batch-header.ts'
import type { Crc32c } from './crc32c.ts'
import type { Compress } from './rewrite-batch.ts'

/** A batch with the same records under another compression; `plain` is how they are without any. */
export function recompressBatch(
  header: BatchHeader,
  plain: Uint8Array,
  options: {
    readonly compression: CompressionType
    readonly maxTimestampMs: number
    readonly compress: Compress
    readonly crc32c: Crc32c
  },
): Uint8Array<ArrayBuffer> {
  const { compression, maxTimestampMs, compress, crc32c } = options
  invariant(compression !== header.compression, 'there is something to change')
  const records = compression === 'none' ? plain : compress(compression, plain)
  const batch = new Uint8Array(BATCH_HEADER_BYTES + records.length)
  batch.set(records, BATCH_HEADER_BYTES)
  writeBatchHeader(batch, { ...header, compression, maxTimestampMs }, crc32c)
  return batch
}
