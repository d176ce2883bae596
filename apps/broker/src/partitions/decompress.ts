import type { Decompress } from '@fairlead/protocol'
import { boundedDecompress } from '@fairlead/runtime'
import { DECOMPRESSED_BYTES_MAX } from '../limits.ts'

/**
 * Opens the records of a batch, on the event loop: for lookups by time, and wherever records are
 * looked at. Throws `DecodeError` when they are malformed, or would pass `DECOMPRESSED_BYTES_MAX`.
 */
export const decompress: Decompress = boundedDecompress(DECOMPRESSED_BYTES_MAX)
