/**
 * Draws keys while a log is read: all of some that are known before, and as many as asked for of those
 * that the log turns out to have, each as likely as any other.
 *
 * Of the log's keys those with the smallest hashes stay. What that takes only falls, so a key that stays
 * has been wanted from its first event on, and one that is dropped is never wanted again.
 */
export class KeySample {
  readonly #known: ReadonlySet<string>
  readonly #logKeysMax: number
  readonly #drop: (key: string) => void
  readonly #drawn = new Map<string, number>()
  /** A key is drawn when its hash is less. */
  #hashEnd = 2 ** 32

  constructor(options: {
    readonly known: Iterable<string>
    readonly logKeysMax: number
    /** A key that was wanted is not any more. */
    readonly drop: (key: string) => void
  }) {
    this.#known = new Set(options.known)
    this.#logKeysMax = options.logKeysMax
    this.#drop = options.drop
  }

  wants(key: string): boolean {
    if (this.#known.has(key) || this.#drawn.has(key)) return true
    const hash = textHash(key)
    if (hash >= this.#hashEnd) return false
    this.#drawn.set(key, hash)
    // Sorting is for once in a while: up to twice as many are held meanwhile.
    if (this.#drawn.size >= 2 * this.#logKeysMax + 2) this.#prune()
    return this.#drawn.has(key)
  }

  /** Leaves as many keys as asked for. Keys of one hash stay or go together. */
  #prune(): void {
    const hashes = [...this.#drawn.values()].sort((a, b) => a - b)
    this.#hashEnd = hashes[this.#logKeysMax] ?? this.#hashEnd
    for (const [key, hash] of this.#drawn) {
      if (hash < this.#hashEnd) continue
      this.#drawn.delete(key)
      this.#drop(key)
    }
  }
}

/** FNV-1a, for a draw that does not change while the log is read. */
function textHash(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}
