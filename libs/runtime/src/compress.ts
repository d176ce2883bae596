import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { type Compress, compressLz4, compressSnappy } from '@fairlead/protocol'

/** Compresses the records of a batch, at each codec's default level. */
export const compress: Compress = compressAt(undefined)

/** At this level of gzip or zstd; undefined for the codec's own. The others have one level here. */
export function compressAt(level: number | undefined): Compress {
  return (type, bytes) => {
    switch (type) {
      case 'gzip':
        return gzipSync(bytes, level === undefined ? {} : { level })
      case 'zstd':
        return zstdCompressSync(
          bytes,
          level === undefined ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } },
        )
      case 'snappy':
        return compressSnappy(bytes)
      case 'lz4':
        return compressLz4(bytes)
    }
  }
}
