import { type Random, hyphenatedUuid } from '@fairlead/base'

const UUID_BYTES = 16

/** A random UUID (RFC 9562, version 4) as 36 characters: what Kafka puts into member ids. */
export function randomUuid(random: Random): string {
  const bytes = random.bytes(UUID_BYTES)
  return hyphenatedUuid(
    bytes.map((byte, index) => {
      if (index === 6) return (byte & 0x0f) | 0x40
      if (index === 8) return (byte & 0x3f) | 0x80
      return byte
    }),
  )
}
