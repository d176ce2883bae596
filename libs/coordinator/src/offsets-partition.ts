const INT32_MIN = -(2 ** 31)

/**
 * The partition of `__consumer_offsets` that holds a group, as Kafka computes it: the absolute
 * value of Java's `String.hashCode` (0 for -2^31, which has none), modulo the partition count.
 */
export function offsetsPartition(groupId: string, partitionCount: number): number {
  let hash = 0
  for (let index = 0; index < groupId.length; index += 1) {
    hash = (Math.imul(hash, 31) + groupId.charCodeAt(index)) | 0
  }
  return hash === INT32_MIN ? 0 : Math.abs(hash) % partitionCount
}
