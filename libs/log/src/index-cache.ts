/** Something whose index can be read again. */
type Owner = { dropIndex(): void }

/**
 * The indexes of closed segments that are in memory, of all partitions, within one budget of bytes.
 * The one that was unused for longest goes first.
 */
export class IndexCache {
  readonly #budgetBytes: number
  /** Least recently used first. */
  readonly #sizes = new Map<Owner, number>()
  #sizeBytes = 0

  constructor(options: { readonly budgetBytes: number }) {
    this.#budgetBytes = options.budgetBytes
  }

  /** Above the budget only by the one that was used last. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Notes that an index of this size is in memory, and in use. */
  used(owner: Owner, sizeBytes: number): void {
    this.forget(owner)
    this.#sizes.set(owner, sizeBytes)
    this.#sizeBytes += sizeBytes
    for (const other of this.#sizes.keys()) {
      if (this.#sizeBytes <= this.#budgetBytes || other === owner) return
      this.forget(other)
      other.dropIndex()
    }
  }

  forget(owner: Owner): void {
    this.#sizeBytes -= this.#sizes.get(owner) ?? 0
    this.#sizes.delete(owner)
  }
}
