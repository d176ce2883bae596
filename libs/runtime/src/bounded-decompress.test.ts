import { gzipSync, zstdCompressSync } from 'node:zlib'
import { DecodeError } from '@fairlead/base'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compressionsAlgorithms } from '@platformatic/kafka'
import { boundedDecompress } from './bounded-decompress.ts'

const LIMIT_BYTES = 1024 * 1024

const codecs = [
  { codec: 'gzip', compress: (bytes: Buffer) => gzipSync(bytes) },
  { codec: 'zstd', compress: (bytes: Buffer) => zstdCompressSync(bytes) },
  { codec: 'snappy', compress: (bytes: Buffer) => foreign('snappy', bytes) },
  { codec: 'lz4', compress: (bytes: Buffer) => foreign('lz4', bytes) },
] as const

/**
 * By the library of another client. Its WebAssembly memory may grow between two of its steps, and the
 * view that it holds is then detached: the second attempt has the new one.
 */
function foreign(codec: 'snappy' | 'lz4', bytes: Buffer): Buffer {
  try {
    return compressionsAlgorithms[codec].compressSync(bytes)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return compressionsAlgorithms[codec].compressSync(bytes)
  }
}

/** Not empty: that library fails with no bytes once its memory has grown. */
const contents = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 2_000 }),
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 4_000 }))
    .map(([text, count]) => Buffer.from(text.repeat(count))),
)

test.for(codecs)('$codec of another library is undone', ({ codec, compress }) => {
  fc.assert(
    fc.property(contents, (bytes) => {
      const opened = boundedDecompress(LIMIT_BYTES)(codec, compress(Buffer.from(bytes)))
      expect(Buffer.compare(opened, bytes)).toBe(0)
    }),
    { numRuns: 60 },
  )
})

test.for(codecs)('a bomb of $codec is refused before it is large', ({ codec, compress }) => {
  const bomb = compress(Buffer.alloc(LIMIT_BYTES * 32))
  const before = process.memoryUsage().arrayBuffers
  expect(() => boundedDecompress(LIMIT_BYTES)(codec, bomb)).toThrow(
    /decompressed bytes are larger than 1048576/,
  )
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(LIMIT_BYTES * 8)
})

test.for(codecs)('mutated or cut bytes of $codec are refused or read', ({ codec, compress }) => {
  const valid = compress(Buffer.from('a record, and a record, and a record again. '.repeat(50)))
  const mutation = fc.record({
    at: fc.nat({ max: valid.length - 1 }),
    value: fc.integer({ min: 0, max: 255 }),
    length: fc.integer({ min: 0, max: valid.length }),
  })
  fc.assert(
    fc.property(mutation, fc.boolean(), ({ at, value, length }, isCut) => {
      const bytes = Uint8Array.from(isCut ? valid.subarray(0, length) : valid)
      if (at < bytes.length) bytes[at] = value
      expect(sizeOrRefusal(codec, bytes)).toBeLessThanOrEqual(LIMIT_BYTES)
    }),
    { numRuns: 500 },
  )
})

/** How much comes out; 0 when it is refused as malformed bytes are, and nothing else is thrown. */
function sizeOrRefusal(codec: (typeof codecs)[number]['codec'], bytes: Uint8Array): number {
  try {
    return boundedDecompress(LIMIT_BYTES)(codec, bytes).length
  } catch (error) {
    if (error instanceof DecodeError) return 0
    throw error
  }
}
