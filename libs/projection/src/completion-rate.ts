/** How much a new measurement counts: about the last ten of them make the rate. */
const WEIGHT = 0.2
/** What stands still is slower with each measurement, and no date is as far away as that comes to. */
const REMAINING_MAX_MS = 365 * 86_400_000

/** Speed of something that is to be done `total` times, and when it will be: an average that forgets. */
export class CompletionRate {
  #perSecond: number | undefined
  #last: { readonly done: number; readonly nowMs: number } | undefined

  /** Units a second; 0 before two measurements. */
  get perSecond(): number {
    return this.#perSecond ?? 0
  }

  /** Call at intervals of about one length. `done` may fall: then something else has begun. */
  measure(done: number, nowMs: number): void {
    const last = this.#last
    this.#last = { done, nowMs }
    if (last === undefined || nowMs <= last.nowMs) return
    if (done < last.done) {
      this.#perSecond = undefined
      return
    }
    const current = ((done - last.done) * 1_000) / (nowMs - last.nowMs)
    this.#perSecond =
      this.#perSecond === undefined ? current : this.#perSecond * (1 - WEIGHT) + current * WEIGHT
  }

  /** Milliseconds that the rest takes at this speed; null while nothing moves, or hardly anything does. */
  remainingMs(total: number): number | null {
    const left = total - (this.#last?.done ?? 0)
    if (left <= 0) return 0
    const remainingMs = (left * 1_000) / this.perSecond
    return remainingMs > REMAINING_MAX_MS ? null : remainingMs
  }
}
