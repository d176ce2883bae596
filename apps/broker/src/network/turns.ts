/**
 * One after the other, in the order of asking. A connection reads records for one fetch at a time, so
 * that a peer that sends many and reads no answer holds the memory of one.
 */
export class Turns {
  #last: Promise<void> | undefined

  /** Resolves when it is the caller's turn, with how to end it; that may be called again. */
  async take(): Promise<() => void> {
    const before = this.#last
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last = promise
    if (before !== undefined) await before
    return resolve
  }
}
