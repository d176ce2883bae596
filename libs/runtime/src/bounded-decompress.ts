import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { DecodeError, errorMessage } from '@fairlead/base'
import {
  type Decompress,
  DecompressedTooLarge,
  decompressLz4,
  decompressSnappy,
} from '@fairlead/protocol'

/** Fewer, larger pieces than zlib's 16 KiB: they are joined at the end. */
const CHUNK_BYTES = 65_536

/**
 * Undoes every compression of Kafka's batches, and makes no more than `maxBytes` of one batch: what
 * would pass them is refused while it is made, whatever the bytes declare.
 *
 * It throws `DecodeError` for malformed bytes and for too many.
 */
export function boundedDecompress(maxBytes: number): Decompress {
  const options = { maxOutputLength: maxBytes, chunkSize: CHUNK_BYTES }
  return (type, bytes) => {
    switch (type) {
      case 'gzip':
        return byZlib(() => gunzipSync(bytes, options), maxBytes)
      case 'zstd':
        return byZlib(() => zstdDecompressSync(bytes, options), maxBytes)
      case 'snappy':
        return decompressSnappy(bytes, maxBytes)
      case 'lz4':
        return decompressLz4(bytes, maxBytes)
    }
  }
}

function byZlib(decode: () => Buffer, maxBytes: number): Uint8Array {
  try {
    const { buffer, byteOffset, byteLength } = decode()
    return new Uint8Array(buffer, byteOffset, byteLength)
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    throw isTooLarge ? new DecompressedTooLarge(maxBytes) : new DecodeError(errorMessage(error), 0)
  }
}
