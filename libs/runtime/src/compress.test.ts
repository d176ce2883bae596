import { expect, test } from 'vitest'
import { boundedDecompress } from './bounded-decompress.ts'
import { compress, compressAt } from './compress.ts'

test.for(['gzip', 'zstd', 'snappy', 'lz4'] as const)('%s is undone', (type) => {
  const bytes = new TextEncoder().encode('a record, a record, a record')
  expect([...boundedDecompress(bytes.length)(type, compress(type, bytes))]).toEqual([...bytes])
})

test.for([
  ['gzip', 1, 9],
  ['zstd', -7, 19],
] as const)('a higher level of %s makes less', ([type, low, high]) => {
  const text = Array.from({ length: 2_000 }, (_, index) => `record ${index * 7919}`).join(', ')
  const bytes = new TextEncoder().encode(text)
  expect(compressAt(high)(type, bytes).length).toBeLessThan(compressAt(low)(type, bytes).length)
})
