/** Of wal_sender_timeout: status updates go out each third of it, so half of it is safe. */
const LEASE_SHARE = 1 / 2

/**
 * Whether the slot is still ours for sure, as far as time tells.
 *
 * Postgres gives the slot to another relay once it has heard nothing from us for wal_sender_timeout.
 * We may not notice: the process is stopped (SIGSTOP, a paused machine) and goes on later with a
 * queue of events that its successor has published by then; or the network to Postgres is gone and
 * that to the brokers is not. So nothing is sent unless our loop has run without a gap, and Postgres
 * was heard, within half of that time. After a gap what is heard may be old: a lease does not revive.
 */
export class SlotLease {
  readonly #leaseMs: number
  #tickedAtMs: number
  #heardAtMs: number
  #isEnded = false

  constructor(walSenderTimeoutMs: number, nowMs: number) {
    this.#leaseMs = walSenderTimeoutMs * LEASE_SHARE
    this.#tickedAtMs = nowMs
    this.#heardAtMs = nowMs
  }

  /** How often `tick` must be called, at least. */
  get tickIntervalMs(): number {
    return Math.min(1_000, this.#leaseMs / 4)
  }

  /** The loop runs. */
  tick(nowMs: number): void {
    if (nowMs - this.#tickedAtMs > this.#leaseMs) this.#isEnded = true
    this.#tickedAtMs = nowMs
  }

  /** Postgres sent something; also called while its socket is paused by us, for a bounded time. */
  heard(nowMs: number): void {
    this.#heardAtMs = nowMs
  }

  /** The connection that reads the slot is gone. */
  end(): void {
    this.#isEnded = true
  }

  isOurs(nowMs: number): boolean {
    this.tick(nowMs)
    return !this.#isEnded && nowMs - this.#heardAtMs <= this.#leaseMs
  }
}
