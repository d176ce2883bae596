/**
 * MurmurHash2 with Kafka's seed, over the bytes of a record key, which stand in `bytes` from `start` up to
 * before `end`: `Utils.murmur2` of the Java client. Every client that partitions by key must agree on it.
 */
export function murmur2(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  const length = end - start
  const tailStart = start + (length & ~3)
  let hash = SEED ^ length
  for (let position = start; position < tailStart; position += 4) {
    let word = Math.imul(littleEndianWord(bytes, position), MIX)
    word = Math.imul(word ^ (word >>> 24), MIX)
    hash = Math.imul(hash, MIX) ^ word
  }
  if (tailStart < end) {
    for (let position = end - 1; position >= tailStart; position -= 1) {
      hash ^= (bytes[position] ?? 0) << (8 * (position - tailStart))
    }
    hash = Math.imul(hash, MIX)
  }
  hash = Math.imul(hash ^ (hash >>> 13), MIX)
  return hash ^ (hash >>> 15)
}

/** A DataView for a key of some bytes costs more than its hash. */
function littleEndianWord(bytes: Uint8Array, position: number): number {
  return (
    (bytes[position] as number) |
    ((bytes[position + 1] as number) << 8) |
    ((bytes[position + 2] as number) << 16) |
    ((bytes[position + 3] as number) << 24)
  )
}

/** From 0 on: modulo the number of partitions, it is the partition of Kafka's default partitioner. */
export function keyHash(key: Uint8Array): number {
  return murmur2(key) & 0x7fff_ffff
}

/** Partition of a key, as Kafka's default partitioner has it. */
export function partitionOfKey(key: Uint8Array, partitionCount: number): number {
  return partitionOfBytes(key, 0, key.length, partitionCount)
}

/** The same of a key that stands in `bytes` from `start` up to before `end`. */
export function partitionOfBytes(
  bytes: Uint8Array,
  start: number,
  end: number,
  partitionCount: number,
): number {
  return (murmur2(bytes, start, end) & 0x7fff_ffff) % partitionCount
}

const SEED = 0x9747_b28c
const MIX = 0x5bd1_e995
