import { invariant } from '@fairlead/base'
import { FETCH_MINIMUM_BYTES } from '../limits.ts'

/** A single fetch gets no more than this part of what is free: the next ones shall have some, too. */
const SHARE_OF_FREE = 1 / 4

/**
 * Record bytes on their way from the logs to the sockets, over all connections. A fetch is granted
 * less when others hold much; when all is used up it waits, first come, first served.
 *
 * Invariant: nobody waits while there is room.
 */
export class FetchMemory {
  readonly #capacityBytes: number
  readonly #waiting: (() => void)[] = []
  #usedBytes = 0

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Takes up to `wantedBytes`, once there is room, and resolves with how many. */
  async take(wantedBytes: number): Promise<number> {
    if (wantedBytes <= 0) return 0
    while (this.#usedBytes >= this.#capacityBytes) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    const freeBytes = this.#capacityBytes - this.#usedBytes
    const shareBytes = Math.max(Math.floor(freeBytes * SHARE_OF_FREE), FETCH_MINIMUM_BYTES)
    const granted = Math.min(wantedBytes, shareBytes)
    this.#usedBytes += granted
    this.#wakeNext()
    return granted
  }

  /** Corrects a grant to what was really read; a first batch may be larger than the grant. */
  settle(grantedBytes: number, readBytes: number): void {
    this.#usedBytes += readBytes - grantedBytes
    invariant(this.#usedBytes >= 0, 'only what was taken is given back')
    this.#wakeNext()
  }

  release(bytes: number): void {
    this.settle(bytes, 0)
  }

  #wakeNext(): void {
    if (this.#usedBytes < this.#capacityBytes) this.#waiting.shift()?.()
  }
}
