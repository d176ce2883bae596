/** Every 1,000th event is one that the read model refuses, as real systems have them too. */
const POISON_EVERY = 1_000
const POISON_QUANTITY = -1

/** Orders that may still get a second event; the oldest is forgotten first. */
const OPEN_ORDERS_MAX = 500

export type TrafficStep =
  | { readonly kind: 'place'; readonly quantity: number }
  | { readonly kind: 'changeQuantity'; readonly orderId: string; readonly quantity: number }
  | { readonly kind: 'pay'; readonly orderId: string }

/**
 * Decides what the simulated customers do next: they place orders, and every second order later gets
 * a second event. Deterministic, so that a test can foretell it.
 */
export class TrafficPlan {
  readonly #openOrders: string[] = []
  #eventCount = 0
  #orderCount = 0

  /** The next order that is placed. */
  nextOrder(): TrafficStep {
    this.#orderCount += 1
    const quantity = this.#isPoison() ? POISON_QUANTITY : 1 + (this.#orderCount % 5)
    return { kind: 'place', quantity }
  }

  /** What follows an order that was placed; undefined when nothing does. */
  nextFollowUp(): TrafficStep | undefined {
    if (this.#orderCount % 2 === 1) return undefined
    const orderId = this.#openOrders.shift()
    if (orderId === undefined) return undefined
    if (this.#isPoison()) return { kind: 'changeQuantity', orderId, quantity: POISON_QUANTITY }
    return this.#eventCount % 4 === 0
      ? { kind: 'changeQuantity', orderId, quantity: 1 + (this.#eventCount % 7) }
      : { kind: 'pay', orderId }
  }

  orderPlaced(orderId: string): void {
    this.#openOrders.push(orderId)
    if (this.#openOrders.length > OPEN_ORDERS_MAX) this.#openOrders.shift()
  }

  #isPoison(): boolean {
    this.#eventCount += 1
    return this.#eventCount % POISON_EVERY === 0
  }
}
