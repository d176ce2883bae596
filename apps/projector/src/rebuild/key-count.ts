/** Of an entry of a set, beside its text. */
const ENTRY_BYTES = 64

/** Counts different texts exactly, for as long as they fit into memory. */
export class KeyCount {
  readonly #bytesMax: number
  #keys: Set<string> | null = new Set()
  #bytes = 0

  constructor({ bytesMax }: { readonly bytesMax: number }) {
    this.#bytesMax = bytesMax
  }

  add(text: string): void {
    const keys = this.#keys
    if (keys === null || keys.has(text)) return
    keys.add(text)
    this.#bytes += ENTRY_BYTES + 2 * text.length
    if (this.#bytes > this.#bytesMax) this.#keys = null
  }

  /** Null when there were too many. */
  get count(): number | null {
    return this.#keys === null ? null : this.#keys.size
  }
}
