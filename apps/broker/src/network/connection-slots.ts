/**
 * A place for a new connection: at once, or after a while when too many came in this second. One above
 * the quota of its address gets nothing but that while, and is closed then, so that its peer does not
 * come again at once (KIP-612).
 */
export type Slot =
  | { readonly ok: true; readonly delayMs: number; readonly isAboveQuota: boolean }
  | { readonly ok: false; readonly reason: string }

/** How long a connection of an address has to wait for its quota; 0 for not at all. */
export type AddressQuota = { connect(remoteAddress: string, nowMs: number): number }

export type ConnectionLimits = {
  readonly totalMax: number
  readonly perIpMax: number
  /** Limits of single addresses, instead of `perIpMax`. */
  readonly perIpMaxOverrides: ReadonlyMap<string, number>
  /** Connections per second, over all listeners; those above it wait (KIP-612). */
  readonly creationRateMax: number
}

const SECOND_MS = 1_000
const IPV4_IN_IPV6 = '::ffff:'

/**
 * Open connections, in all and per address, over all listeners, and how fast new ones come.
 *
 * Invariant: every address in the map has a connection.
 */
export class ConnectionSlots {
  #limits: ConnectionLimits
  readonly #quota: AddressQuota
  readonly #perIp = new Map<string, number>()
  #total = 0
  /** When the connections that came so far are all let in, one by one at the rate. */
  #rateIsFreeAtMs = Number.NEGATIVE_INFINITY

  constructor(limits: ConnectionLimits, quota: AddressQuota) {
    this.#limits = limits
    this.#quota = quota
  }

  /** New limits; what is open keeps its place, even where there are too many: see {@link excessCount}. */
  configure(limits: ConnectionLimits): void {
    this.#limits = limits
  }

  /** How many more are open than `totalMax`, once it was lowered. */
  get excessCount(): number {
    return Math.max(0, this.#total - this.#limits.totalMax)
  }

  /** Takes a place for a connection from this address, or says which limit forbids it. */
  take(remoteAddress: string, nowMs: number): Slot {
    const address = plainAddress(remoteAddress)
    const { totalMax, perIpMax, perIpMaxOverrides } = this.#limits
    const count = this.#perIp.get(address) ?? 0
    if (this.#total >= totalMax) {
      return { ok: false, reason: `max.connections (${totalMax}) is reached` }
    }
    const override = perIpMaxOverrides.get(address)
    if (count >= (override ?? perIpMax)) {
      const key =
        override === undefined ? 'max.connections.per.ip' : 'max.connections.per.ip.overrides'
      return { ok: false, reason: `${key} (${override ?? perIpMax}) is reached` }
    }
    this.#total += 1
    this.#perIp.set(address, count + 1)
    const quotaMs = this.#quota.connect(address, nowMs)
    if (quotaMs > 0) return { ok: true, delayMs: quotaMs, isAboveQuota: true }
    return { ok: true, delayMs: this.#delayMs(nowMs), isAboveQuota: false }
  }

  giveBack(remoteAddress: string): void {
    const address = plainAddress(remoteAddress)
    const count = this.#perIp.get(address) ?? 0
    this.#total -= 1
    if (count > 1) this.#perIp.set(address, count - 1)
    else this.#perIp.delete(address)
  }

  /** What one second may bring comes at once; the rest is spread. */
  #delayMs(nowMs: number): number {
    const start = Math.max(this.#rateIsFreeAtMs, nowMs - SECOND_MS)
    this.#rateIsFreeAtMs = start + SECOND_MS / this.#limits.creationRateMax
    return Math.max(0, this.#rateIsFreeAtMs - nowMs)
  }
}

/** An IPv4 peer of a socket that listens on IPv6 is the same peer. */
function plainAddress(address: string): string {
  return address.startsWith(IPV4_IN_IPV6) ? address.slice(IPV4_IN_IPV6.length) : address
}
