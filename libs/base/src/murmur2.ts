/**
 * MurmurHash2 with Kafka's seed, over the bytes of a record key: `Utils.murmur2` of the Java client.
 * Every client that partitions by key must agree on it.
 */
export function murmur2(key: Uint8Array): number {
  const tailStart = key.length & ~3
  let hash = SEED ^ key.length
  for (let position = 0; position < tailStart; position += 4) {
    let word = Math.imul(littleEndianWord(key, position), MIX)
    word = Math.imul(word ^ (word >>> 24), MIX)
    hash = Math.imul(hash, MIX) ^ word
  }
  if (tailStart < key.length) {
    for (let position = key.length - 1; position >= tailStart; position -= 1) {
      hash ^= (key[position] ?? 0) << (8 * (position - tailStart))
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
  return keyHash(key) % partitionCount
}

const SEED = 0x9747_b28c
const MIX = 0x5bd1_e995
