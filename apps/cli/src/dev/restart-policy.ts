import { type BackoffPolicy, type Random, backoffDelayMs } from '@fairlead/base'

const RESTART_BACKOFF: BackoffPolicy = { baseMs: 250, maxMs: 5_000 }

/** A process that ran this long has started well: its next crash is a first one. */
const STABLE_AFTER_MS = 10_000

/** Decides how long to wait before a process that died is started again. */
export class RestartPolicy {
  readonly #random: Pick<Random, 'int'>
  #crashCount = 0

  constructor(random: Pick<Random, 'int'>) {
    this.#random = random
  }

  /** Call once per death, with the time that the process had lived. */
  delayAfterDeathMs(livedMs: number): number {
    this.#crashCount = livedMs >= STABLE_AFTER_MS ? 1 : this.#crashCount + 1
    return backoffDelayMs(this.#crashCount, RESTART_BACKOFF, this.#random)
  }
}
