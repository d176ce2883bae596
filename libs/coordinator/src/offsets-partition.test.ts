import { expect, test } from 'vitest'
import { offsetsPartition } from './index.ts'

// Computed with Java's String.hashCode.
test.for([
  ['', 50, 0],
  ['a', 50, 47],
  ['hello', 50, 22],
  ['polygenelubricants', 50, 0],
  ['console-consumer-12345', 1, 0],
] as const)('group "%s" of %i partitions is in partition %i', ([groupId, count, partition]) => {
  expect(offsetsPartition(groupId, count)).toBe(partition)
})
