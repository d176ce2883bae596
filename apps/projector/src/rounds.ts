import { pauseFor } from './pause.ts'

type RoundsOptions = {
  readonly failed: (error: unknown) => void
  /** Between the end of a round and the next; default: a minute. */
  readonly intervalMs?: number
}

const INTERVAL_MS = 60_000

/** Does one round after the other until it is stopped. One that fails does not end them. */
export class Rounds {
  readonly #abort = new AbortController()
  readonly #done: Promise<void>

  constructor(round: () => Promise<void>, options: RoundsOptions) {
    this.#done = this.#run(round, options)
  }

  /** Fires with `stop`. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Waits for the round that is under way. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#done
  }

  async #run(
    round: () => Promise<void>,
    { failed, intervalMs = INTERVAL_MS }: RoundsOptions,
  ): Promise<void> {
    // Whose rounds these are has them by then.
    await Promise.resolve()
    while (!this.signal.aborted) {
      await round().catch(failed)
      await pauseFor(intervalMs, this.signal)
    }
  }
}
