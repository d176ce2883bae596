/** Unused time that counts: a pause does not entitle to a burst that lasts longer than this. */
const BURST_MS = 100

/** Spreads reads and writes over time, so that no more than a rate of bytes passes on average. */
export class IoRate {
  #freeAtMs = Number.NEGATIVE_INFINITY

  /** How long to wait before `bytes` may pass at this rate. They count from then on. */
  delayMs(
    bytes: number,
    { bytesPerSecond, nowMs }: { readonly bytesPerSecond: number; readonly nowMs: number },
  ): number {
    const startMs = Math.max(this.#freeAtMs, nowMs - BURST_MS)
    this.#freeAtMs = startMs + (bytes / bytesPerSecond) * 1000
    return Math.max(startMs - nowMs, 0)
  }
}
