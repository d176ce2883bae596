/** More than clocks drift, and than one look is later than it should be. */
const JUMP_MS_MAX = 600_000
/** So long a clock that jumped has to stay where it is to be believed. */
const CONFIRMATION_MS = 3_600_000

export type ClockReading = {
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly wallMs: number
  /** A clock that nobody sets. */
  readonly monotonicMs: number
}

/**
 * The time that retention goes by: the wall clock, except that a jump forward is not believed before
 * it has lasted for an hour. A clock that is set wrong by a month for a moment would otherwise delete
 * everything. A jump backward only makes records look younger, and is followed at once.
 */
export class RetentionClock {
  #last: { readonly timeMs: number; readonly monotonicMs: number } | undefined
  #jumpedAtMs: number | undefined

  /** Whether a jump is not believed yet. */
  get isHeldBack(): boolean {
    return this.#jumpedAtMs !== undefined
  }

  nowMs({ wallMs, monotonicMs }: ClockReading): number {
    const expectedMs =
      this.#last === undefined ? wallMs : this.#last.timeMs + monotonicMs - this.#last.monotonicMs
    const hasJumped = wallMs - expectedMs > JUMP_MS_MAX
    if (!hasJumped) this.#jumpedAtMs = undefined
    else this.#jumpedAtMs ??= monotonicMs
    const isConfirmed = monotonicMs - (this.#jumpedAtMs ?? monotonicMs) >= CONFIRMATION_MS
    if (isConfirmed) this.#jumpedAtMs = undefined
    const timeMs = hasJumped && !isConfirmed ? expectedMs : wallMs
    this.#last = { timeMs, monotonicMs }
    return timeMs
  }
}
