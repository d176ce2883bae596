import type { QuotaWindows } from './rate.ts'

const SECOND_MS = 1_000

/**
 * Permits that come at a rate and are kept for `count` windows (KIP-599). What takes more than there
 * are is let through and leaves a debt: until that is paid nobody gets any.
 *
 * Invariant: there are never more permits than come in `count` windows.
 */
export class TokenBucket {
  readonly #burstMs: number
  /** Full at first. */
  #tokens = Number.POSITIVE_INFINITY
  #refilledMs = 0

  constructor({ count, windowMs }: QuotaWindows) {
    this.#burstMs = count * windowMs
  }

  /** Below 0 for a debt. */
  tokens(perSecond: number, nowMs: number): number {
    const burst = (this.#burstMs / SECOND_MS) * perSecond
    const grown = ((nowMs - this.#refilledMs) / SECOND_MS) * perSecond
    this.#tokens = Math.min(burst, this.#tokens + grown)
    this.#refilledMs = nowMs
    return this.#tokens
  }

  take(count: number, perSecond: number, nowMs: number): void {
    this.#tokens = this.tokens(perSecond, nowMs) - count
  }

  /** How long it takes until there is no debt, in whole milliseconds; 0 when there is none. */
  throttleMs(perSecond: number, nowMs: number): number {
    const tokens = this.tokens(perSecond, nowMs)
    return tokens < 0 ? Math.round((-tokens / perSecond) * SECOND_MS) : 0
  }
}
