/** Four words that stand for a key. Reused by the caller: no object per record. */
export type KeyHash = Uint32Array

export const KEY_HASH_WORDS = 4

const C1 = 0x239b961b
const C2 = 0xab0e9789
const C3 = 0x38b34ae5
const C4 = 0xa1e38b93
const BLOCK_BYTES = 16

/**
 * MurmurHash3 (x86, 128 bits) of `bytes[start … start + length)` into `target`.
 *
 * Two keys that meet in all 128 bits would be taken for one. By accident that does not happen (one in
 * 10^25 for five million keys); on purpose it gains nothing: whoever may write a record that collides
 * may as well write the key itself.
 */
export function hashKey(bytes: Uint8Array, start: number, length: number, target: KeyHash): void {
  let h1 = 0
  let h2 = 0
  let h3 = 0
  let h4 = 0
  const end = start + length
  let at = start
  for (; at + BLOCK_BYTES <= end; at += BLOCK_BYTES) {
    h1 ^= mixed(word(bytes, at), C1, 15, C2)
    h1 = (Math.imul((rotate(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0
    h2 ^= mixed(word(bytes, at + 4), C2, 16, C3)
    h2 = (Math.imul((rotate(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0
    h3 ^= mixed(word(bytes, at + 8), C3, 17, C4)
    h3 = (Math.imul((rotate(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0
    h4 ^= mixed(word(bytes, at + 12), C4, 18, C1)
    h4 = (Math.imul((rotate(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0
  }
  if (end - at > 12) h4 ^= mixed(tail(bytes, at + 12, end), C4, 18, C1)
  if (end - at > 8) h3 ^= mixed(tail(bytes, at + 8, end), C3, 17, C4)
  if (end - at > 4) h2 ^= mixed(tail(bytes, at + 4, end), C2, 16, C3)
  if (end - at > 0) h1 ^= mixed(tail(bytes, at, end), C1, 15, C2)
  h1 ^= length
  h2 ^= length
  h3 ^= length
  h4 ^= length
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = finished((h2 + h1) | 0)
  h3 = finished((h3 + h1) | 0)
  h4 = finished((h4 + h1) | 0)
  h1 = finished(h1)
  h1 = (h1 + h2 + h3 + h4) | 0
  target[0] = h1
  target[1] = h2 + h1
  target[2] = h3 + h1
  target[3] = h4 + h1
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  )
}

/** At most four bytes from `at`, none at or behind `end`. */
function tail(bytes: Uint8Array, at: number, end: number): number {
  let value = 0
  for (let index = Math.min(end, at + 4) - 1; index >= at; index -= 1) {
    value = (value << 8) | (bytes[index] ?? 0)
  }
  return value
}

function mixed(value: number, before: number, bits: number, after: number): number {
  return Math.imul(rotate(Math.imul(value, before), bits), after)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function finished(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
