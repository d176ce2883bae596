import { expect, test } from 'vitest'
import { murmur2, partitionOfBytes, partitionOfKey } from './murmur2.ts'

// The expected values are those of Kafka's own UtilsTest.testMurmur2.
test.for([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
] as const)('murmur2 of %s is that of the Java client', ([key, hash]) => {
  expect(murmur2(Buffer.from(key))).toBe(hash)
  expect(murmur2(Buffer.from(`before${key}behind`), 6, 6 + key.length)).toBe(hash)
})

test('a negative hash gives a partition in range', () => {
  expect(partitionOfKey(Buffer.from('21'), 7)).toBe((-973932308 & 0x7fff_ffff) % 7)
  expect(partitionOfBytes(Buffer.from('0213'), 1, 3, 7)).toBe((-973932308 & 0x7fff_ffff) % 7)
})
