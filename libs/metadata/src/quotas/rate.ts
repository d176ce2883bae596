/** `quota.window.num` and `quota.window.size.seconds`. */
export type QuotaWindows = { readonly count: number; readonly windowMs: number }

type Sample = { startMs: number; lastMs: number; value: number }

const SECOND_MS = 1_000
/** A rate over no time at all is none. */
const SPAN_MS_MIN = 1

/**
 * What was recorded in the last so many windows, per second: Kafka's `Rate` over a `WindowedSum`, to
 * the detail, since throttle times follow from it.
 *
 * It forgets: after a wait that is longer than all windows nothing is left of what was waited for, so
 * that requests of more than ten seconds' worth reach more than the bound, though never twice as much.
 *
 * Invariants: at most `count + 1` samples; a sample is dropped once nothing was recorded in it for
 * `count` windows, so that the one that overlaps the beginning still counts in full.
 */
export class Rate {
  readonly #windows: QuotaWindows
  readonly #samples: Sample[] = []
  #current = 0

  constructor(windows: QuotaWindows) {
    this.#windows = windows
  }

  record(value: number, nowMs: number): void {
    const sample = this.#sampleOf(nowMs)
    sample.value += value
    sample.lastMs = nowMs
  }

  perSecond(nowMs: number): number {
    const spanMs = this.#spanMs(nowMs)
    return (this.#sum() / spanMs) * SECOND_MS
  }

  sum(nowMs: number): number {
    this.#forgetOld(nowMs)
    return this.#sum()
  }

  /**
   * How long nothing more may be recorded until the rate is at `boundPerSecond`, in whole
   * milliseconds; 0 when it is not above. With O observed over W, and T the bound, it is the X with
   * O · W / (W + X) = T.
   */
  throttleMs(boundPerSecond: number, nowMs: number): number {
    const perSecond = this.perSecond(nowMs)
    if (perSecond <= boundPerSecond) return 0
    return Math.round(((perSecond - boundPerSecond) / boundPerSecond) * this.#spanMs(nowMs))
  }

  #sampleOf(nowMs: number): Sample {
    const current = this.#samples[this.#current]
    if (current !== undefined && nowMs - current.startMs < this.#windows.windowMs) return current
    if (current !== undefined) this.#current = (this.#current + 1) % (this.#windows.count + 1)
    const next = this.#samples[this.#current]
    if (next !== undefined) {
      reset(next, nowMs)
      return next
    }
    const added = { startMs: nowMs, lastMs: nowMs, value: 0 }
    this.#samples.push(added)
    return added
  }

  #sum(): number {
    return this.#samples.reduce((sum, { value }) => sum + value, 0)
  }

  /**
   * The time that the samples cover. While there are fewer than all windows, those that are missing
   * count as if they had passed: the first second of a client must not look like its whole rate.
   */
  #spanMs(nowMs: number): number {
    this.#forgetOld(nowMs)
    const { count, windowMs } = this.#windows
    const oldestMs = this.#samples.reduce((oldest, { startMs }) => Math.min(oldest, startMs), nowMs)
    const elapsedMs = nowMs - oldestMs
    const missingWindows = Math.max(0, count - 1 - Math.floor(elapsedMs / windowMs))
    return Math.max(elapsedMs + missingWindows * windowMs, SPAN_MS_MIN)
  }

  #forgetOld(nowMs: number): void {
    const { count, windowMs } = this.#windows
    for (const sample of this.#samples) {
      if (nowMs - sample.lastMs >= count * windowMs) reset(sample, nowMs)
    }
  }
}

function reset(sample: Sample, nowMs: number): void {
  sample.startMs = nowMs
  sample.lastMs = nowMs
  sample.value = 0
}
