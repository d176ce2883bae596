import { gzipSync, zstdCompressSync } from 'node:zlib'
import { type Compress, compressLz4, compressSnappy } from '@fairlead/protocol'

/** Compresses the records of a batch, at each codec's default level. */
export const compress: Compress = (type, bytes) => {
  switch (type) {
    case 'gzip':
      return gzipSync(bytes)
    case 'zstd':
      return zstdCompressSync(bytes)
    case 'snappy':
      return compressSnappy(bytes)
    case 'lz4':
      return compressLz4(bytes)
  }
}
