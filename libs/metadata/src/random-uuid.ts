import { type Random, invariant } from '@fairlead/base'

const UUID_BYTES = 16
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/**
 * A random UUID (RFC 9562, version 4) in Kafka's text form, 22 characters of base64url. As in Kafka
 * it never begins with a dash, so that it can be an argument on a command line.
 */
export function randomUuid(random: Random): string {
  const bytes = random.bytes(UUID_BYTES).slice()
  invariant(bytes.length === UUID_BYTES, 'the random port gives as many bytes as asked')
  const [first = 0, , , , , , sixth = 0, , eighth = 0] = bytes
  // 62 of 63 is the dash: a first byte of 0xf8 to 0xfb would begin with it.
  if (first >> 2 === 62) bytes[0] = first & 0x7f
  bytes[6] = (sixth & 0x0f) | 0x40
  bytes[8] = (eighth & 0x3f) | 0x80
  return base64Url(bytes)
}

function base64Url(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < bytes.length; index += 3) {
    const group =
      ((bytes[index] ?? 0) << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0)
    for (let shift = 18; shift >= 0; shift -= 6) text += BASE64URL[(group >> shift) & 63]
  }
  return text.slice(0, Math.ceil((bytes.length * 8) / 6))
}
