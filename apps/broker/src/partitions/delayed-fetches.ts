import type { Timers } from '@fairlead/base'
import type { PartitionLog } from '@fairlead/log'
import type { Departure } from '../network/departure.ts'

export type WatchedLog = {
  readonly log: Pick<PartitionLog, 'highWatermark' | 'onHighWatermark'>
  /** The high watermark before the read that found too little. */
  readonly seenHighWatermark: number
}

/**
 * Fetches that wait for records. Each is woken by the append that moves a high watermark it watches,
 * by its deadline, by the departure of its client, or by the end of the broker; nothing polls.
 */
export class DelayedFetches {
  readonly #timers: Timers
  readonly #wakeUps = new Set<() => void>()
  #isStopped = false

  constructor(timers: Timers) {
    this.#timers = timers
  }

  get count(): number {
    return this.#wakeUps.size
  }

  /** Once true, no fetch waits any more. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  /**
   * Resolves once a log has moved past what was seen, at the latest after `delayMs`, or when the
   * client has left. An append
   * between the read and this call is not missed: the watermarks are compared first.
   */
  async waitForAppend(
    watched: readonly WatchedLog[],
    delayMs: number,
    departure: Departure,
  ): Promise<void> {
    const hasMoved = watched.some(
      ({ log, seenHighWatermark }) => log.highWatermark > seenHighWatermark,
    )
    if (hasMoved || this.#isStopped) return

    const { promise, resolve } = Promise.withResolvers<void>()
    const cancelTimer = this.#timers.after(delayMs, resolve)
    const unsubscribes = watched.map(({ log }) => log.onHighWatermark(() => resolve()))
    this.#wakeUps.add(resolve)
    const stopWatching = departure.onLeft(resolve)
    await promise
    this.#wakeUps.delete(resolve)
    stopWatching()
    for (const unsubscribe of unsubscribes) unsubscribe()
    cancelTimer()
  }

  stop(): void {
    this.#isStopped = true
    for (const wakeUp of this.#wakeUps) wakeUp()
  }
}
