/**
 * The start of a text that came from a peer, at most `lengthMax` UTF-16 units, never half of a
 * character. The wire takes strings of 32,767 bytes: a name that is quoted in a message must leave
 * room for the message.
 */
export function truncated(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return text
  const last = text.charCodeAt(lengthMax - 1)
  const isHighSurrogate = last >= 0xd800 && last <= 0xdbff
  return text.slice(0, isHighSurrogate ? lengthMax - 1 : lengthMax)
}
