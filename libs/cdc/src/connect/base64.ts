const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const CHUNK_BYTES = 0x6000

/** RFC 4648, with padding. Layers without a platform have no `Buffer`. */
export function toBase64(bytes: Uint8Array): string {
  const parts: string[] = []
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    parts.push(encodeChunk(bytes.subarray(start, start + CHUNK_BYTES)))
  }
  return parts.join('')
}

/** With `-` and `_` instead of `+` and `/`. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_')
}

export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += (byte < 16 ? '0' : '') + byte.toString(16)
  return text
}

/** The length of every chunk but the last is a multiple of three. */
function encodeChunk(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < bytes.length; index += 3) {
    const [first = 0, second, third] = bytes.subarray(index, index + 3)
    const bits = (first << 16) | ((second ?? 0) << 8) | (third ?? 0)
    text += `${ALPHABET[bits >> 18]}${ALPHABET[(bits >> 12) & 63]}`
    text += second === undefined ? '=' : ALPHABET[(bits >> 6) & 63]
    text += third === undefined ? '=' : ALPHABET[bits & 63]
  }
  return text
}
