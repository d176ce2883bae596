/** What a full directory must have free above its reserve to take appends again. */
const RESUME_RATIO = 1.1
/** For what is not counted here: rolls, states, the log start. At most an eighth of the reserve. */
const FLOOR_BYTES_MAX = 524_288
const FLOOR_DIVISOR = 8

/**
 * The room of the file system that holds a log directory: clients' appends end before it is used up,
 * so that the broker's own writes (group offsets, metadata, and what retention needs to make room) go
 * on. What was appended since the last report is counted here; others may use the disk, too, so that
 * a write can still find it full.
 *
 * A full directory takes appends again by itself once there is room, a little more than the reserve,
 * so that it does not change at every report.
 */
export class DiskSpace {
  readonly reserveBytes: number
  #freeBytes = Number.POSITIVE_INFINITY
  #isFull = false

  /** A reserve of 0 bytes refuses nothing. */
  constructor(options: { readonly reserveBytes: number }) {
    this.reserveBytes = options.reserveBytes
  }

  /** Whether clients' appends are refused. */
  get isFull(): boolean {
    return this.#isFull
  }

  /** As far as is known; infinite before the first report. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** What the file system says now. */
  report(freeBytes: number): void {
    const neededBytes = this.#isFull ? this.reserveBytes * RESUME_RATIO : this.reserveBytes
    this.#freeBytes = freeBytes
    this.#isFull = freeBytes < neededBytes
  }

  /** Whether so much may be written beside what clients append, and the reserve stays whole. */
  hasRoomFor(sizeBytes: number): boolean {
    return !this.#isFull && this.#freeBytes - sizeBytes >= this.reserveBytes
  }

  /** Whether an append may be made, which is counted then. */
  admits(sizeBytes: number, origin: 'client' | 'coordinator'): boolean {
    const leftBytes = this.#freeBytes - sizeBytes
    if (origin === 'client') {
      if (leftBytes < this.reserveBytes) this.#isFull = true
      if (this.#isFull) return false
    } else if (leftBytes < Math.min(FLOOR_BYTES_MAX, this.reserveBytes / FLOOR_DIVISOR)) {
      return false
    }
    this.#freeBytes = leftBytes
    return true
  }
}
