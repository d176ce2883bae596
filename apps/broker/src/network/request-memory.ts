import { FRAME_FIRST_STEP_BYTES, FRAME_SECOND_STEP_BYTES } from '../limits.ts'
import type { FrameUnderWay } from './frame-assembler.ts'
import { MemoryPool } from './memory-pool.ts'

/** Frames up to this size, of APIs other than Produce and Fetch, may use the reserve. */
export const RESERVED_FRAME_BYTES_MAX: number = 64 * 1024
/** Of all memory for bodies, the share of steps that are not the last one of a large frame. */
const SMALL_SHARE = 1 / 4

const PRODUCE = 0
const FETCH = 1
const LAST_SMALL_BYTES = FRAME_SECOND_STEP_BYTES - FRAME_FIRST_STEP_BYTES

/** The largest frame for which `capacityBytes` of memory suffice. */
export function largestFrameBytes(capacityBytes: number): number {
  return capacityBytes - smallBytesOf(capacityBytes)
}

/**
 * The memory for bodies of requests, in three parts: for small steps, for the large last one, and a
 * reserve for heartbeats, commits, metadata and the like, which must not wait behind records.
 *
 * A frame asks the small part first and the large one second, never the other way round, and what it
 * holds of the large one is all that it needs: no circle of frames can wait for each other.
 */
export class RequestMemory {
  readonly small: MemoryPool
  readonly large: MemoryPool
  readonly reserve: MemoryPool

  constructor(capacity: { readonly bulkBytes: number; readonly reserveBytes: number }) {
    const smallBytes = smallBytesOf(capacity.bulkBytes)
    this.small = new MemoryPool(smallBytes)
    this.large = new MemoryPool(capacity.bulkBytes - smallBytes)
    this.reserve = new MemoryPool(capacity.reserveBytes)
  }

  get usedBytes(): number {
    return this.#pools.reduce((sum, { usedBytes }) => sum + usedBytes, 0)
  }

  get capacityBytes(): number {
    return this.#pools.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0)
  }

  get waiterCount(): number {
    return this.#pools.reduce((sum, { waiterCount }) => sum + waiterCount, 0)
  }

  /** While it is short, one grant of each part is out at a time; the reserve is never short. */
  set isShort(isShort: boolean) {
    this.small.isShort = isShort
    this.large.isShort = isShort
  }

  /** Where a frame takes `bytes` from, all that it then holds. */
  poolFor(bytes: number, { head, declaredBytes }: FrameUnderWay): MemoryPool {
    if (bytes > LAST_SMALL_BYTES) return this.large
    const apiKey = (head[0] ?? 0) * 256 + (head[1] ?? 0)
    const isSmall = declaredBytes <= RESERVED_FRAME_BYTES_MAX
    return isSmall && apiKey !== PRODUCE && apiKey !== FETCH ? this.reserve : this.small
  }

  get #pools(): readonly MemoryPool[] {
    return [this.small, this.large, this.reserve]
  }
}

function smallBytesOf(capacityBytes: number): number {
  return Math.max(LAST_SMALL_BYTES, Math.floor(capacityBytes * SMALL_SHARE))
}
