/** From the page cache half a millisecond, and as much again for the checksums of what was read. */
const BYTES_PER_TURN_MAX = 4_194_304
/** From the page cache a megabyte takes a tenth of it. */
const FAST_READ_MS = 1
/**
 * A longer wait for the processor is rare. Linux counts what comes from block devices, yet nothing that
 * comes from file systems of a network.
 */
const PREEMPTED_READ_MS_MAX = 10
/** After a read from the disk, so many times its own duration without another. */
const PAUSE_FACTOR = 100
const PAUSE_MS_MAX = 60_000

export type InlineReadsPorts = {
  /** A clock that is never set back, in milliseconds with fractions. */
  readonly nowMs: () => number
  /** How many blocks this process has read from disks so far. */
  readonly diskReads: () => number
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

  constructor(ports: InlineReadsPorts) {
    this.#ports = ports
  }

  /** Whether a read of this size is made now. Whoever is let does it through `perform`. */
  admits(sizeBytes: number): boolean {
    return sizeBytes <= this.#leftBytes && this.#ports.nowMs() >= this.#pausedUntilMs
  }

  perform<Result>(sizeBytes: number, read: () => Result): Result {
    const { nowMs, diskReads, nextTurn } = this.#ports
    if (this.#leftBytes === BYTES_PER_TURN_MAX) {
      nextTurn(() => {
        this.#leftBytes = BYTES_PER_TURN_MAX
      })
    }
    this.#leftBytes -= sizeBytes
    const readsBefore = diskReads()
    const startedMs = nowMs()
    try {
      return read()
    } finally {
      const endedMs = nowMs()
      const durationMs = endedMs - startedMs
      const isSlow = durationMs > FAST_READ_MS
      // Who was not given the processor has waited, too.
      if (isSlow && (durationMs > PREEMPTED_READ_MS_MAX || diskReads() > readsBefore)) {
        this.#pausedUntilMs = endedMs + Math.min(durationMs * PAUSE_FACTOR, PAUSE_MS_MAX)
      }
    }
  }
}
