const COMPACT_AFTER = 1024

/** A queue on an array: `shift` of a long array would copy it each time. */
export class Fifo<Item> {
  #items: Item[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  /** The item that is `index` behind the first. */
  at(index: number): Item | undefined {
    return this.#items[this.#head + index]
  }

  first(): Item | undefined {
    return this.#items[this.#head]
  }

  last(): Item | undefined {
    return this.length === 0 ? undefined : this.#items[this.#items.length - 1]
  }

  shift(): Item | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#head]
    this.#head += 1
    // Amortised: each compaction moves at most as many items as were shifted since the last one.
    if (this.#head === this.#items.length) this.clear()
    else if (this.#head >= COMPACT_AFTER && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }
}
