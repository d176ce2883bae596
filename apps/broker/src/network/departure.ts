/** Tells requests that wait that their peer has left: it sends no more, or is gone altogether. */
export class Departure {
  readonly #listeners = new Set<() => void>()
  #hasLeft = false
  #isGone = false

  /** The connection has ended: nobody reads an answer any more, at once or later. */
  get isGone(): boolean {
    return this.#isGone
  }

  get hasLeft(): boolean {
    return this.#hasLeft
  }

  /** Calls `listener` once, at once when the peer has left already. Returns how to stop waiting. */
  onLeft(listener: () => void): () => void {
    if (this.#hasLeft) listener()
    else this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The peer left. May be called again: a half-closed connection ends later. */
  announce(): void {
    this.#hasLeft = true
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }

  /** The connection has ended. */
  end(): void {
    this.#isGone = true
    this.announce()
  }
}
