import { invariant } from '@fairlead/base'

/** The UUID that means "none", in Kafka's text form. */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const DIGITS: ReadonlyMap<string, number> = new Map(
  Array.from(ALPHABET, (digit, index) => [digit, index] as const),
)
const TEXT = /^[A-Za-z0-9_-]{21}[AQgw]$/

export const UUID_BYTES = 16

/** Whether `text` is a UUID in Kafka's text form: 22 characters of base64url, without padding. */
export function isUuid(text: string): boolean {
  return TEXT.test(text)
}

/** Kafka's text form of the 16 bytes at `position`. */
export function uuidText(bytes: Uint8Array, position = 0): string {
  let text = ''
  for (let index = 0; index < UUID_BYTES; index += 3) {
    const group =
      ((bytes[position + index] ?? 0) << 16) |
      ((index + 1 < UUID_BYTES ? (bytes[position + index + 1] ?? 0) : 0) << 8) |
      (index + 2 < UUID_BYTES ? (bytes[position + index + 2] ?? 0) : 0)
    const digits = index + 2 < UUID_BYTES ? 4 : 2
    for (let digit = 0; digit < digits; digit += 1) {
      text += ALPHABET[(group >> (18 - 6 * digit)) & 0x3f]
    }
  }
  return text
}

/** Writes the 16 bytes of a UUID to `target`. */
export function writeUuid(text: string, target: Uint8Array, position: number): void {
  invariant(isUuid(text), () => `"${text}" is not a UUID in Kafka's text form`)
  let bits = 0
  let bitCount = 0
  let index = 0
  for (const digit of text) {
    bits = ((bits << 6) | (DIGITS.get(digit) ?? 0)) & 0xffff
    bitCount += 6
    if (bitCount >= 8 && index < UUID_BYTES) {
      bitCount -= 8
      target[position + index] = (bits >> bitCount) & 0xff
      index += 1
    }
  }
}
