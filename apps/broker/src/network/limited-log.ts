import type { Clock } from '@fairlead/base'

/**
 * Lets a bounded number of lines through per window, and then says how many it held back, so that
 * a peer that fails ten thousand times is visible without filling the disk.
 */
export class LimitedLog {
  readonly #options: {
    readonly clock: Clock
    readonly linesMax: number
    readonly windowMs: number
    readonly write: (fields: object, message: string) => void
  }
  #windowStartMs = Number.NEGATIVE_INFINITY
  #lines = 0
  #suppressedLines = 0

  constructor(options: {
    readonly clock: Clock
    readonly linesMax: number
    readonly windowMs: number
    readonly write: (fields: object, message: string) => void
  }) {
    this.#options = options
  }

  write(fields: object, message: string): void {
    const { clock, linesMax, windowMs, write } = this.#options
    const nowMs = clock.nowMs()
    if (nowMs - this.#windowStartMs >= windowMs) {
      if (this.#suppressedLines > 0) {
        write({ suppressedLines: this.#suppressedLines }, 'lines like the following were held back')
      }
      this.#windowStartMs = nowMs
      this.#lines = 0
      this.#suppressedLines = 0
    }
    if (this.#lines < linesMax) {
      this.#lines += 1
      write(fields, message)
    } else {
      this.#suppressedLines += 1
    }
  }
}
