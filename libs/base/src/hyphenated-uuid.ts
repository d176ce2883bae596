/** The text of the 16 bytes of a UUID: 36 characters in lower case (RFC 9562). Kafka itself writes most of them in base 64. */
export function hyphenatedUuid(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-')
}
