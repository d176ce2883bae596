import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { Decompress } from '@fairlead/protocol'
import { DECOMPRESSED_BYTES_MAX } from '../limits.ts'

/** The codecs that Node itself has; batches of the others are opaque to the broker. */
export const OPENED_CODECS: readonly string[] = ['gzip', 'zstd']

/**
 * Opens the records of a batch, on the event loop: for lookups by time, and for topics whose records
 * are looked at. Throws when they are malformed, when they would pass `DECOMPRESSED_BYTES_MAX`, and
 * for snappy and lz4.
 */
export const decompress: Decompress = (type, bytes) => {
  const options = { maxOutputLength: DECOMPRESSED_BYTES_MAX }
  switch (type) {
    case 'gzip':
      return gunzipSync(bytes, options)
    case 'zstd':
      return zstdDecompressSync(bytes, options)
    case 'snappy':
    case 'lz4':
      throw new Error(`the broker does not open ${type}`)
  }
}
