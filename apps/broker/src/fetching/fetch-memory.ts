import { type Timers, invariant } from '@fairlead/base'
import type { Departure } from '../network/departure.ts'
import { FETCH_MINIMUM_BYTES } from '../limits.ts'

/** A single fetch gets no more than this part of what is free: the next ones shall have some, too. */
const SHARE_OF_FREE = 1 / 4

/** What nobody has asked for yet gets no more than this part of all of it. */
const SHARE_OF_READ_AHEAD = 1 / 4

/**
 * Record bytes on their way from the logs to the sockets, over all connections. A fetch is granted
 * less when others hold much; when all is used up it waits, first come, first served, and no longer
 * than its client does.
 *
 * Invariant: nobody waits while there is room.
 */
export class FetchMemory {
  readonly #capacityBytes: number
  readonly #timers: Timers
  /** In the order of asking; each takes its bytes and goes on. */
  readonly #waiting = new Set<() => void>()
  #usedBytes = 0

  constructor(capacityBytes: number, timers: Timers) {
    this.#capacityBytes = capacityBytes
    this.#timers = timers
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Takes up to `wantedBytes`, and returns how many; undefined when there is no room. */
  takeNow(wantedBytes: number): number | undefined {
    if (wantedBytes <= 0) return 0
    return this.#usedBytes < this.#capacityBytes ? this.#grant(wantedBytes) : undefined
  }

  /**
   * Takes up to `wantedBytes`, once there is room, and resolves with how many; with undefined when
   * there was no room for `delayMs`, or when the client has left.
   */
  async take(
    wantedBytes: number,
    { delayMs, departure }: { readonly delayMs: number; readonly departure: Departure },
  ): Promise<number | undefined> {
    const grantedNow = this.takeNow(wantedBytes)
    if (grantedNow !== undefined) return grantedNow
    if (delayMs <= 0 || departure.hasLeft) return undefined

    const { promise, resolve } = Promise.withResolvers<number | undefined>()
    const goOn = (): void => resolve(this.#grant(wantedBytes))
    const giveUp = (): void => {
      if (this.#waiting.delete(goOn)) resolve(undefined)
    }
    this.#waiting.add(goOn)
    const cancels = [this.#timers.after(delayMs, giveUp), departure.onLeft(giveUp)]
    const granted = await promise
    for (const cancel of cancels) cancel()
    return granted
  }

  /** Takes bytes for what was not asked for, while most of the memory is free. */
  takeSpare(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#capacityBytes * SHARE_OF_READ_AHEAD) return false
    this.#usedBytes += bytes
    return true
  }

  #grant(wantedBytes: number): number {
    const freeBytes = this.#capacityBytes - this.#usedBytes
    const shareBytes = Math.max(Math.floor(freeBytes * SHARE_OF_FREE), FETCH_MINIMUM_BYTES)
    const granted = Math.min(wantedBytes, shareBytes)
    this.#usedBytes += granted
    return granted
  }

  /** Corrects a grant to what is really held; a first batch may be larger than the grant. */
  settle(grantedBytes: number, heldBytes: number): void {
    this.#usedBytes += heldBytes - grantedBytes
    invariant(this.#usedBytes >= 0, 'only what was taken is given back')
    this.#serveWaiting()
  }

  release(bytes: number): void {
    this.settle(bytes, 0)
  }

  #serveWaiting(): void {
    for (const goOn of this.#waiting) {
      if (this.#usedBytes >= this.#capacityBytes) return
      this.#waiting.delete(goOn)
      goOn()
    }
  }
}
