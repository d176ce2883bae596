/** Unused time that counts: a pause does not entitle to a burst that lasts longer than this. */
const BURST_MS = 100
const SECOND_MS = 1_000

/**
 * Spreads reads and writes over time, so that no more than a rate of bytes passes on average. What has
 * passed is kept in bytes, not as a time: after a change of the rate it is waited for at the new one.
 */
export class IoRate {
  /** Those that passed and are still to be waited for; below 0 for what may pass at once. */
  #owedBytes = Number.NEGATIVE_INFINITY
  #atMs = 0

  /** How long to wait before `bytes` may pass at this rate. They count from then on. */
  delayMs(
    bytes: number,
    { bytesPerSecond, nowMs }: { readonly bytesPerSecond: number; readonly nowMs: number },
  ): number {
    const bytesPerMs = bytesPerSecond / SECOND_MS
    const paidBytes = (nowMs - this.#atMs) * bytesPerMs
    const owedBytes = Math.max(this.#owedBytes - paidBytes, -BURST_MS * bytesPerMs)
    this.#owedBytes = owedBytes + bytes
    this.#atMs = nowMs
    return Math.max(owedBytes / bytesPerMs, 0)
  }
}
