/** A power of two. */
const SLOT_COUNT = 8_192
/** Longer ones are not kept: slots are for many keys, not for much text. */
const LENGTH_MAX = 64

/** Of Node's `Buffer`, where only the types do not know of it; `toString` takes half as long again. */
type WithSlices = Buffer & { latin1Slice(start: number, end: number): string }

/**
 * Keys as text, for the records that a client fetches. Few keys have most of the records of many topics: a text
 * that is known needs no call out of JavaScript, no memory, and no other hash. Keys that meet in one
 * slot push each other out.
 */
export class KeyTexts {
  #slots: string[] | undefined

  /** Undefined when there is anything but ASCII. */
  asciiText(bytes: Buffer, start: number, end: number): string | undefined {
    let seen = 0
    let hash = end - start
    for (let index = start; index < end; index += 1) {
      const byte = bytes[index] as number
      seen |= byte
      hash = Math.imul(hash ^ byte, 0x0100_0193)
    }
    if (seen >= 0x80) return undefined
    if (end - start > LENGTH_MAX) return textOf(bytes, start, end)
    this.#slots ??= Array.from({ length: SLOT_COUNT }, () => '')
    const slots = this.#slots
    const slot = (hash ^ (hash >>> 15)) & (SLOT_COUNT - 1)
    const known = slots[slot] as string
    if (isText(known, bytes, start, end)) return known
    const text = textOf(bytes, start, end)
    slots[slot] = text
    return text
  }
}

function textOf(bytes: Buffer, start: number, end: number): string {
  return (bytes as WithSlices).latin1Slice(start, end)
}

function isText(text: string, bytes: Buffer, start: number, end: number): boolean {
  const { length } = text
  if (length !== end - start) return false
  // Most keys of a topic begin alike.
  for (let index = length - 1; index >= 0; index -= 1) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false
  }
  return true
}
