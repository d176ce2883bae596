const PRIME_1 = 0x9e3779b1
const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1
const STRIPE_BYTES = 16

/** xxHash of 32 bits with seed 0: the checksum inside LZ4 frames. Returns an unsigned number. */
export function xxHash32(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const stripesEnd = bytes.length - (bytes.length % STRIPE_BYTES)
  let hash = stripesEnd === 0 ? PRIME_5 : hashOfStripes(view, stripesEnd)
  hash = (hash + bytes.length) | 0
  let position = stripesEnd
  for (; position + 4 <= bytes.length; position += 4) {
    hash = (hash + Math.imul(view.getUint32(position, true), PRIME_3)) | 0
    hash = Math.imul(rotated(hash, 17), PRIME_4)
  }
  for (; position < bytes.length; position += 1) {
    hash = (hash + Math.imul(view.getUint8(position), PRIME_5)) | 0
    hash = Math.imul(rotated(hash, 11), PRIME_1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function hashOfStripes(view: DataView, end: number): number {
  let first = (PRIME_1 + PRIME_2) | 0
  let second = PRIME_2 | 0
  let third = 0
  let fourth = -PRIME_1 | 0
  for (let position = 0; position < end; position += STRIPE_BYTES) {
    first = rounded(first, view.getUint32(position, true))
    second = rounded(second, view.getUint32(position + 4, true))
    third = rounded(third, view.getUint32(position + 8, true))
    fourth = rounded(fourth, view.getUint32(position + 12, true))
  }
  return rotated(first, 1) + rotated(second, 7) + rotated(third, 12) + rotated(fourth, 18)
}

function rounded(lane: number, input: number): number {
  return Math.imul(rotated((lane + Math.imul(input, PRIME_2)) | 0, 13), PRIME_1)
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
