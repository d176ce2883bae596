/** How much a new measurement counts: about the last ten of them make the rate. */
const WEIGHT = 0.2

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

  /** Milliseconds that the rest takes at this speed; null while nothing moves. */
  remainingMs(total: number): number | null {
    const left = total - (this.#last?.done ?? 0)
    if (left <= 0) return 0
    return this.perSecond === 0 ? null : (left * 1_000) / this.perSecond
  }
}
