/** So many reads within the window, and the server sends faster than it is read. */
const BUSY_READS = 4
const BUSY_WINDOW_MS = 2
/** What a row waits at most, and only among many. */
const HOLD_MS = 1

/** What a pace needs of a `Readable` in flowing mode. */
export type PacedStream = {
  /** Of what was read from the socket and waits in the stream. */
  readonly readableLength: number
  pause(): unknown
  resume(): unknown
}

/**
 * When to read from a socket that a server fills row by row.
 *
 * A walsender sends each row by itself. A reader that is quicker is woken for each of them, and that costs
 * both sides several times what the row does. So a busy stream is left alone for a millisecond at a
 * time, and then all that has come is read at once; a row that comes alone is read when it comes.
 *
 * A stream that is paused goes on to read its socket until its buffer is full, row by row. Those are the rows of
 * the time behind: they say nothing of how busy it is now, and none of them waits a second time.
 */
export class ReadPace {
  readonly #stream: PacedStream
  /** Of what the stream had in its buffer when it was left alone no longer. */
  #backlogBytes = 0
  #reads = 0
  #windowStartMs = 0
  #isHeld = false
  #isPaused = false
  #isEnded = false
  #timer: NodeJS.Timeout | undefined

  constructor(stream: PacedStream) {
    this.#stream = stream
  }

  /** The stream has handed on so much. */
  received(nowMs: number, sizeBytes: number): void {
    if (this.#backlogBytes > 0) {
      this.#backlogBytes -= sizeBytes
      return
    }
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
    if (!this.#isHeld) this.#flow()
  }

  /** Nothing is held back any more, whatever comes. */
  end(): void {
    this.#isEnded = true
    clearTimeout(this.#timer)
    this.#isHeld = false
    if (!this.#isPaused) this.#flow()
  }

  #release(): void {
    this.#isHeld = false
    // The next read decides: it is busy as long as it does not take the rest of the window to come.
    this.#windowStartMs = performance.now()
    this.#reads = BUSY_READS - 1
    if (!this.#isPaused) this.#flow()
  }

  #flow(): void {
    this.#backlogBytes = this.#stream.readableLength
    this.#stream.resume()
  }
}
