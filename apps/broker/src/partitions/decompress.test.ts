import { gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { DECOMPRESSED_BYTES_MAX } from '../limits.ts'
import { decompress } from './decompress.ts'

const codecs = [
  { codec: 'gzip', compress: gzipSync },
  { codec: 'zstd', compress: zstdCompressSync },
] as const

test.for(codecs)('$codec is opened', ({ codec, compress }) => {
  const bytes = Buffer.from('a record')
  expect(decompress(codec, compress(bytes))).toEqual(bytes)
})

test.for(codecs)('a bomb of $codec is not blown up', ({ codec, compress }) => {
  const bomb = compress(Buffer.alloc(DECOMPRESSED_BYTES_MAX + 1))
  expect(bomb.length).toBeLessThan(100_000)
  expect(() => decompress(codec, bomb)).toThrow(/larger than/)
})

test.for(['snappy', 'lz4'] as const)('%s stays closed', (codec) => {
  expect(() => decompress(codec, new Uint8Array(8))).toThrow(codec)
})
