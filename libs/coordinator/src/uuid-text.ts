import type { Random } from '@fairlead/base'

const UUID_BYTES = 16

/** A random UUID (RFC 9562, version 4) as 36 characters: what Kafka puts into member ids. */
export function uuidText(random: Random): string {
  const bytes = random.bytes(UUID_BYTES)
  const hex = Array.from(bytes, (byte, index) => {
    if (index === 6) return hexByte((byte & 0x0f) | 0x40)
    if (index === 8) return hexByte((byte & 0x3f) | 0x80)
    return hexByte(byte)
  }).join('')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-')
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}
