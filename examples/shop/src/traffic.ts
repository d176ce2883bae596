import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { OrderService } from './order-service.ts'
import { TrafficPlan, type TrafficStep } from './traffic-plan.ts'

const TICK_MS = 20
/** Transactions under way at once. With the database slower than the rate, orders are left out. */
const CONCURRENCY_MAX = 16
/** After a failure the database is left alone for this long. */
const FAILURE_PAUSE_MS = 250

const SKUS = ['tea', 'coffee', 'cocoa', 'mate'] as const

/**
 * Places orders at a steady rate until it is stopped. Orders that cannot be placed (no database) are
 * left out, not queued: customers go away.
 */
export class Traffic {
  readonly #service: OrderService
  readonly #logger: Logger
  readonly #plan = new TrafficPlan()
  readonly #abort = new AbortController()
  readonly #underWay = new Set<Promise<void>>()
  #ordersPerSecond: number
  #pausedUntilMs = 0
  #loop: Promise<void> | undefined

  constructor(options: {
    readonly service: OrderService
    readonly ordersPerSecond: number
    readonly logger: Logger
  }) {
    this.#service = options.service
    this.#ordersPerSecond = options.ordersPerSecond
    this.#logger = options.logger
  }

  get ordersPerSecond(): number {
    return this.#ordersPerSecond
  }

  set ordersPerSecond(rate: number) {
    this.#ordersPerSecond = rate
  }

  start(): void {
    this.#loop ??= this.#run().catch((error: unknown) => {
      if (!this.#abort.signal.aborted) throw error
    })
  }

  /** Ends the traffic; resolves when the last transaction has ended. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#loop
    await Promise.allSettled(this.#underWay)
  }

  async #run(): Promise<void> {
    let due = 0
    let lastMs = performance.now()
    while (!this.#abort.signal.aborted) {
      await delay(TICK_MS, undefined, { signal: this.#abort.signal })
      const nowMs = performance.now()
      due += ((nowMs - lastMs) * this.#ordersPerSecond) / 1_000
      lastMs = nowMs
      if (nowMs < this.#pausedUntilMs) due = 0
      while (due >= 1 && this.#underWay.size < CONCURRENCY_MAX) {
        due -= 1
        this.#begin()
      }
      due = Math.min(due, CONCURRENCY_MAX)
    }
  }

  #begin(): void {
    const work = this.#oneCustomer().catch((error: unknown) => {
      this.#pausedUntilMs = performance.now() + FAILURE_PAUSE_MS
      this.#logger.warn({ err: error }, 'an order could not be placed')
    })
    this.#underWay.add(work)
    void work.finally(() => this.#underWay.delete(work))
  }

  async #oneCustomer(): Promise<void> {
    const order = this.#plan.nextOrder()
    const followUp = this.#plan.nextFollowUp()
    await this.#carryOut(order)
    if (followUp !== undefined) await this.#carryOut(followUp)
  }

  async #carryOut(step: TrafficStep): Promise<void> {
    switch (step.kind) {
      case 'place':
        this.#plan.orderPlaced((await this.#service.place(randomOrder(step.quantity))).orderId)
        break
      case 'changeQuantity':
        await this.#service.changeQuantity(step.orderId, step.quantity)
        break
      case 'pay':
        await this.#service.pay(step.orderId)
        break
    }
  }
}

function randomOrder(quantity: number) {
  const pick = Math.floor(Math.random() * SKUS.length)
  return {
    customerId: `customer-${Math.floor(Math.random() * 1_000)}`,
    sku: SKUS[pick] ?? SKUS[0],
    quantity,
    unitPriceCents: 250 + 50 * pick,
  }
}
