import { invariant } from '@fairlead/base'

/**
 * One after the other, in the order of asking. A connection reads records for one fetch at a time, so
 * that a peer that sends many and reads no answer holds the memory of one.
 */
export class Turns {
  #isTaken = false
  readonly #waiting: (() => void)[] = []

  /** Whether it is the caller's turn at once; otherwise nothing has happened. */
  takeNow(): boolean {
    if (this.#isTaken) return false
    this.#isTaken = true
    return true
  }

  /** Resolves when it is the caller's turn. */
  async take(): Promise<void> {
    if (this.takeNow()) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    await promise
  }

  /** The turn is over: it is the next one's. */
  end(): void {
    invariant(this.#isTaken, 'a turn ends once')
    const next = this.#waiting.shift()
    if (next === undefined) this.#isTaken = false
    else next()
  }
}
