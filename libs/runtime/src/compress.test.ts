import { expect, test } from 'vitest'
import { boundedDecompress } from './bounded-decompress.ts'
import { compress } from './compress.ts'

test.for(['gzip', 'zstd', 'snappy', 'lz4'] as const)('%s is undone', (type) => {
  const bytes = new TextEncoder().encode('a record, a record, a record')
  expect([...boundedDecompress(bytes.length)(type, compress(type, bytes))]).toEqual([...bytes])
})
