/** So many reads within the window, and the server sends faster than it is read. */
const BUSY_READS = 4
const BUSY_WINDOW_MS = 2
/** What a row waits at most, and only among many. */
const HOLD_MS = 1

/**
 * When to read from a socket that a server fills row by row.
 *
 * A walsender sends each row by itself. A reader that is quicker is woken for each of them, and that costs
 * both sides several times what the row does. So a busy stream is left alone for a millisecond at a
 * time, and then read at once; a row that comes alone is read when it comes.
 */
export class ReadPace {
  readonly #stream: { pause(): unknown; resume(): unknown }
  #reads = 0
  #windowStartMs = 0
  #isHeld = false
  #isPaused = false
  #isEnded = false
  #timer: NodeJS.Timeout | undefined

  constructor(stream: { pause(): unknown; resume(): unknown }) {
    this.#stream = stream
  }

  /** Something was read. */
  received(nowMs: number): void {
    if (nowMs - this.#windowStartMs > BUSY_WINDOW_MS) {
      this.#windowStartMs = nowMs
      this.#reads = 0
    }
    this.#reads += 1
    if (this.#reads < BUSY_READS || this.#isHeld || this.#isEnded) return
    this.#isHeld = true
    this.#stream.pause()
    this.#timer = setTimeout(() => this.#release(), HOLD_MS)
  }

  /** By the caller, until it resumes: a busy stream is not read meanwhile, either. */
  pause(): void {
    this.#isPaused = true
    this.#stream.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (!this.#isHeld) this.#stream.resume()
  }

  /** Nothing is held back any more, whatever comes. */
  end(): void {
    this.#isEnded = true
    clearTimeout(this.#timer)
    this.#isHeld = false
    if (!this.#isPaused) this.#stream.resume()
  }

  #release(): void {
    this.#isHeld = false
    // The next read decides: it is busy as long as it does not take the rest of the window to come.
    this.#windowStartMs = performance.now()
    this.#reads = BUSY_READS - 1
    if (!this.#isPaused) this.#stream.resume()
  }
}
