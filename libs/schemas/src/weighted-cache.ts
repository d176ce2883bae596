/** The values that were put in last, as long as they are not more, and not heavier, than it may hold. */
export class WeightedCache<Key, Value> {
  readonly #entries = new Map<Key, { readonly value: Value; readonly weight: number }>()
  readonly #countMax: number
  readonly #weightMax: number
  #weight = 0

  constructor(options: { readonly countMax: number; readonly weightMax: number }) {
    this.#countMax = options.countMax
    this.#weightMax = options.weightMax
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)?.value
  }

  /** One that is too heavy alone is not kept. */
  set(key: Key, value: Value, weight: number): void {
    this.#remove(key)
    if (weight > this.#weightMax) return
    this.#entries.set(key, { value, weight })
    this.#weight += weight
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#countMax && this.#weight <= this.#weightMax) return
      this.#remove(oldest)
    }
  }

  #remove(key: Key): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#weight -= entry.weight
  }
}
