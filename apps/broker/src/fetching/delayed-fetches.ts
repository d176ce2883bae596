import type { Timers } from '@fairlead/base'
import type { LogWatcher, PartitionLog } from '@fairlead/log'
import type { Departure } from '../network/departure.ts'

export type WatchedLog = {
  readonly log: Pick<PartitionLog, 'readableBytes' | 'watch'>
  /** Its `readableBytes` before the read that found too little. */
  readonly seenBytes: number
}

/** Fetches that go on at once in one turn of the event loop; reading and answering takes some 20 µs. */
const WOKEN_PER_TURN_MAX = 64

/**
 * Fetches that wait for records. Each is woken when the logs that it watches have gained as many
 * bytes as it lacks, when one of them ends, by its deadline, by the departure of its client, or by
 * the end of the broker; nothing polls, and nothing is read before there is enough.
 *
 * One append may wake thousands. They go on in the order in which they were woken, a few in each turn
 * of the event loop, so that everybody else is served in between.
 */
export class DelayedFetches {
  readonly #timers: Timers
  readonly #waiting = new Set<Waiter>()
  /** Woken, and not yet gone on. */
  readonly #woken: (() => void)[] = []
  #leftInTurn = WOKEN_PER_TURN_MAX
  #isTurnScheduled = false
  #isStopped = false

  constructor(timers: Timers) {
    this.#timers = timers
  }

  get count(): number {
    return this.#waiting.size
  }

  /** Once true, no fetch waits any more. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  /**
   * Resolves once the logs have gained `missingBytes` since they were read, at the latest after
   * `delayMs`, or when the client has left. An append between the read and this call is not missed:
   * what was gained meanwhile is counted first.
   */
  async waitForBytes(
    watched: readonly WatchedLog[],
    missingBytes: number,
    { delayMs, departure }: { readonly delayMs: number; readonly departure: Departure },
  ): Promise<void> {
    let leftBytes = missingBytes
    for (const { log, seenBytes } of watched) leftBytes -= log.readableBytes - seenBytes
    if (leftBytes <= 0 || this.#isStopped) return

    await new Promise<void>((resolve) => {
      const waiter = new Waiter(leftBytes, () => {
        this.#waiting.delete(waiter)
        this.#goOn(resolve)
      })
      this.#waiting.add(waiter)
      for (const { log } of watched) waiter.until(log.watch(waiter))
      waiter.until(this.#timers.after(delayMs, waiter.wake))
      waiter.until(departure.onLeft(waiter.wake))
    })
  }

  stop(): void {
    this.#isStopped = true
    for (const waiter of this.#waiting) waiter.wake()
  }

  #goOn(resolve: () => void): void {
    if (this.#leftInTurn > 0) {
      this.#leftInTurn -= 1
      resolve()
    } else {
      this.#woken.push(resolve)
    }
    if (this.#isTurnScheduled) return
    this.#isTurnScheduled = true
    this.#timers.after(0, this.#beginTurn)
  }

  readonly #beginTurn = (): void => {
    const resolves = this.#woken.splice(0, WOKEN_PER_TURN_MAX)
    this.#leftInTurn = WOKEN_PER_TURN_MAX - resolves.length
    this.#isTurnScheduled = resolves.length > 0
    if (this.#isTurnScheduled) this.#timers.after(0, this.#beginTurn)
    for (const resolve of resolves) resolve()
  }
}

/** A fetch that waits. It is woken once; what would wake it again is cancelled then. */
class Waiter implements LogWatcher {
  #leftBytes: number
  readonly #onWoken: () => void
  readonly #cancels: (() => void)[] = []
  #isWoken = false

  constructor(leftBytes: number, onWoken: () => void) {
    this.#leftBytes = leftBytes
    this.#onWoken = onWoken
  }

  /** `cancel` is called when it is woken, or now if it was. */
  until(cancel: () => void): void {
    if (this.#isWoken) cancel()
    else this.#cancels.push(cancel)
  }

  onReadable(sizeBytes: number): void {
    this.#leftBytes -= sizeBytes
    if (this.#leftBytes <= 0) this.wake()
  }

  onChanged(): void {
    this.wake()
  }

  readonly wake = (): void => {
    if (this.#isWoken) return
    this.#isWoken = true
    for (const cancel of this.#cancels) cancel()
    this.#onWoken()
  }
}
