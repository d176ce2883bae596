const SLOTS_MIN = 16
const SLOTS_MAX = 8_192

/** Of Node's `Buffer`, where only the types do not know of it; `toString` takes half as long again. */
type WithSlices = Buffer & { latin1Slice(start: number, end: number): string }

/**
 * Keys as text, for the records of one fetch. Few keys have most of the records of many topics: a text that is
 * known needs no call out of JavaScript, no memory, and no other hash. Keys that meet in one slot
 * push each other out.
 */
export class KeyTexts {
  #expectedCount = 0
  #slots: (string | undefined)[] | undefined

  /** So many records more may be asked for. Call before the first is. */
  expect(recordCount: number): void {
    this.#expectedCount += recordCount
  }

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
    this.#slots ??= slotsFor(this.#expectedCount)
    const slots = this.#slots
    const slot = (hash ^ (hash >>> 15)) & (slots.length - 1)
    const known = slots[slot]
    if (known !== undefined && isText(known, bytes, start, end)) return known
    const text = (bytes as WithSlices).latin1Slice(start, end)
    slots[slot] = text
    return text
  }
}

/** A power of two. */
function slotsFor(recordCount: number): (string | undefined)[] {
  let count = SLOTS_MIN
  while (count < recordCount && count < SLOTS_MAX) count *= 2
  return Array.from<string | undefined>({ length: count }).fill(undefined)
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
