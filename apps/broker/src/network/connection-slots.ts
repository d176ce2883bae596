/**
 * Open connections, in all and per address, over all listeners.
 *
 * Invariant: every address in the map has a connection.
 */
export class ConnectionSlots {
  readonly #totalMax: number
  readonly #perIpMax: number
  readonly #perIp = new Map<string, number>()
  #total = 0

  constructor(limits: { readonly totalMax: number; readonly perIpMax: number }) {
    this.#totalMax = limits.totalMax
    this.#perIpMax = limits.perIpMax
  }

  /** Takes a place for a connection from this address, or says which limit forbids it. */
  take(address: string): string | undefined {
    const count = this.#perIp.get(address) ?? 0
    if (this.#total >= this.#totalMax) return `max.connections (${this.#totalMax}) is reached`
    if (count >= this.#perIpMax) return `max.connections.per.ip (${this.#perIpMax}) is reached`
    this.#total += 1
    this.#perIp.set(address, count + 1)
    return undefined
  }

  giveBack(address: string): void {
    const count = this.#perIp.get(address) ?? 0
    this.#total -= 1
    if (count > 1) this.#perIp.set(address, count - 1)
    else this.#perIp.delete(address)
  }
}
