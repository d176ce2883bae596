/**
 * Remembers what a loader found, up to a number of entries; the least recently used goes first.
 * Concurrent misses of one key share one load, and a failed load is not remembered.
 */
export class CoalescingCache<Key, Value> {
  readonly #entriesMax: number
  readonly #loaded = new Map<Key, Value>()
  readonly #loading = new Map<Key, Promise<Value>>()

  constructor(options: { readonly entriesMax: number }) {
    this.#entriesMax = options.entriesMax
  }

  async get(key: Key, load: () => Promise<Value>): Promise<Value> {
    if (this.#loaded.has(key)) {
      const value = this.#loaded.get(key) as Value
      this.#remember(key, value)
      return value
    }
    const underWay = this.#loading.get(key)
    if (underWay !== undefined) return underWay
    const loading = load()
      .then((value) => {
        this.#remember(key, value)
        return value
      })
      .finally(() => this.#loading.delete(key))
    this.#loading.set(key, loading)
    return loading
  }

  #remember(key: Key, value: Value): void {
    this.#loaded.delete(key)
    this.#loaded.set(key, value)
    const oldest = this.#loaded.keys().next()
    if (this.#loaded.size > this.#entriesMax && oldest.done !== true) {
      this.#loaded.delete(oldest.value)
    }
  }
}
