import { invariant } from '@fairlead/base'
import { FETCH_MINIMUM_BYTES } from '../limits.ts'

/**
 * Record bytes on their way from the logs to the sockets, over all connections. A fetch is granted
 * less when others hold much, and never nothing: a slow reader cannot stop the others.
 */
export class FetchMemory {
  readonly #capacityBytes: number
  #usedBytes = 0

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Takes up to `wantedBytes` and returns how many. */
  take(wantedBytes: number): number {
    const freeBytes = Math.max(this.#capacityBytes - this.#usedBytes, FETCH_MINIMUM_BYTES)
    const granted = Math.min(wantedBytes, freeBytes)
    this.#usedBytes += granted
    return granted
  }

  /** Corrects a grant to what was really read; a first batch may be larger than the grant. */
  settle(grantedBytes: number, readBytes: number): void {
    this.#usedBytes += readBytes - grantedBytes
    invariant(this.#usedBytes >= 0, 'only what was taken is given back')
  }

  release(bytes: number): void {
    this.settle(bytes, 0)
  }
}
