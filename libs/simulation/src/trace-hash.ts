/**
 * A running hash of everything that happened, in order: two runs with one hash did the same. Not
 * cryptographic; 64 bits in two lanes of integer arithmetic.
 */
export class TraceHash {
  #low = 0x811c9dc5
  #high = 0x9747b28c
  readonly #texts = new Map<string, number>()

  get digest(): string {
    return hexadecimal(this.#high) + hexadecimal(this.#low)
  }

  /** Numbers are taken whole: 53 bits of an integer, or their nearest thousandth. */
  note(text: string, ...numbers: readonly number[]): void {
    this.#mix(this.#hashOf(text))
    for (const number of numbers) {
      const integer = Number.isInteger(number) ? number : Math.round(number * 1000)
      this.#mix(integer | 0)
      this.#mix(Math.floor(integer / 0x1_0000_0000) | 0)
    }
  }

  noteBytes(bytes: Uint8Array): void {
    this.#mix(bytes.length)
    for (const byte of bytes) this.#mix(byte)
  }

  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193)
    this.#high = Math.imul(this.#high ^ (word >>> 15) ^ this.#low, 0x85ebca6b)
    this.#high ^= this.#high >>> 13
  }

  #hashOf(text: string): number {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    let hash = 0x811c9dc5
    for (let at = 0; at < text.length; at += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
    }
    if (this.#texts.size < TEXTS_MAX) this.#texts.set(text, hash)
    return hash
  }
}

/** Labels are few; texts with numbers in them would fill the memory of a long run. */
const TEXTS_MAX = 1000

function hexadecimal(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}
