/** From the page cache half a millisecond, and as much again for the checksums of what was read. */
const BYTES_PER_TURN_MAX = 4_194_304
/** From the page cache a megabyte takes a tenth of it. */
const FAST_READ_MS = 1
/**
 * Linux counts what comes from block devices, yet nothing that comes from file systems of a network: a
 * read that takes longer has waited for one of these, unless the processor was taken away meanwhile,
 * which does not happen twice in a row.
 */
const UNCOUNTED_READ_MS_MIN = 10
/** Asking takes as long as reading 100 kB: what is compared with is so old at most. */
const USAGE_AGE_MS_MAX = 100
/** After a read from the disk, so many times its own duration without another. */
const PAUSE_FACTOR = 100
const PAUSE_MS_MAX = 60_000

/** Of this process, so far. */
export type Usage = {
  /** Blocks that it has read from disks. */
  readonly diskReads: number
  /** How often one of its threads had to leave the processor to others. */
  readonly preemptions: number
}

export type InlineReadsPorts = {
  /** A clock that is never set back, in milliseconds with fractions. */
  readonly nowMs: () => number
  readonly usage: () => Usage
  /** Calls back in another turn of the event loop, after others have had theirs. */
  readonly nextTurn: (callback: () => void) => void
}

/**
 * Which reads are made at once on the event loop. Most of what consumers ask for is in the page cache:
 * there a read takes 0.1 ms per megabyte, while the way through a thread and back takes several times as
 * much, and far more on a machine without an idle processor. Whether a file is in the page cache nobody
 * tells without waiting for it; so it is tried, and where a read had to wait for the disk, the threads
 * have all reads for a hundred times as long. A cold disk thereby takes one hundredth of the event
 * loop's time at most.
 */
export class InlineReads {
  readonly #ports: InlineReadsPorts
  #leftBytes = BYTES_PER_TURN_MAX
  #pausedUntilMs = Number.NEGATIVE_INFINITY
  #usage: Usage | undefined
  #usageMs = Number.NEGATIVE_INFINITY
  #lastReadMs = 0

  constructor(ports: InlineReadsPorts) {
    this.#ports = ports
  }

  /** Whether a read of this size is made now. Whoever is let does it through `perform`. */
  admits(sizeBytes: number): boolean {
    return sizeBytes <= this.#leftBytes && this.#ports.nowMs() >= this.#pausedUntilMs
  }

  perform<Result>(sizeBytes: number, read: () => Result): Result {
    const { nowMs, nextTurn } = this.#ports
    if (this.#leftBytes === BYTES_PER_TURN_MAX) {
      nextTurn(() => {
        this.#leftBytes = BYTES_PER_TURN_MAX
      })
    }
    this.#leftBytes -= sizeBytes
    const startedMs = nowMs()
    if (startedMs - this.#usageMs > USAGE_AGE_MS_MAX) this.#look(startedMs)
    try {
      return read()
    } finally {
      const endedMs = nowMs()
      const durationMs = endedMs - startedMs
      if (durationMs > FAST_READ_MS && this.#hasWaited(durationMs, endedMs)) {
        this.#pausedUntilMs = endedMs + Math.min(durationMs * PAUSE_FACTOR, PAUSE_MS_MAX)
      }
      this.#lastReadMs = durationMs
    }
  }

  /** Whether a read that took so long waited for the disk. */
  #hasWaited(durationMs: number, nowMs: number): boolean {
    const before = this.#usage
    const after = this.#look(nowMs)
    if (after.diskReads !== before?.diskReads) return true
    if (durationMs <= UNCOUNTED_READ_MS_MIN) return false
    const wasPreempted = after.preemptions > before.preemptions
    return !wasPreempted || this.#lastReadMs > UNCOUNTED_READ_MS_MIN
  }

  #look(nowMs: number): Usage {
    this.#usage = this.#ports.usage()
    this.#usageMs = nowMs
    return this.#usage
  }
}
