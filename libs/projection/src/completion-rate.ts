/** How much a new measurement counts: about the last ten of them make the rate. */
const WEIGHT = 0.2
/** What is done in steps, as batches are, stands still between two of them; for longer than so it has become slower. */
const MEASUREMENTS_PER_STEP_MAX = 10
/** What stands still is slower with each measurement, and no date is as far away as that comes to. */
const REMAINING_MAX_MS = 365 * 86_400_000

/** Speed of something that is to be done `total` times, and when it will be: an average that forgets. */
export class CompletionRate {
  /** As of the last step. */
  #perSecond: number | undefined
  /** The first measurement, or the last one that found a step done. */
  #step: { readonly done: number; readonly nowMs: number } | undefined
  /** Measurements since that found none. */
  #idleCount = 0

  /** Units a second; 0 before the first step. */
  get perSecond(): number {
    const slowerCount = Math.max(0, this.#idleCount - MEASUREMENTS_PER_STEP_MAX)
    return (this.#perSecond ?? 0) * (1 - WEIGHT) ** slowerCount
  }

  /** Call at intervals of about one length. `done` may fall: then something else has begun. */
  measure(done: number, nowMs: number): void {
    const step = this.#step
    if (done === step?.done) {
      this.#idleCount += 1
      return
    }
    const count = this.#idleCount + 1
    this.#step = { done, nowMs }
    this.#idleCount = 0
    if (step === undefined || nowMs <= step.nowMs) return
    if (done < step.done) {
      this.#perSecond = undefined
      return
    }
    const current = ((done - step.done) * 1_000) / (nowMs - step.nowMs)
    // The speed of a step is that of all measurements in which it was done.
    const share = (1 - WEIGHT) ** count
    this.#perSecond =
      this.#perSecond === undefined ? current : this.#perSecond * share + current * (1 - share)
  }

  /** Milliseconds that the rest takes at this speed; null while nothing moves, or hardly anything does. */
  remainingMs(total: number): number | null {
    const left = total - (this.#step?.done ?? 0)
    if (left <= 0) return 0
    const remainingMs = (left * 1_000) / this.perSecond
    return remainingMs > REMAINING_MAX_MS ? null : remainingMs
  }
}
