import { invariant } from '@fairlead/base'

type Waiter = { readonly bytes: number; readonly granted: () => void }

/**
 * The bytes that request bodies may hold, over all connections.
 *
 * Invariants: `usedBytes` never passes `capacityBytes`; waiters are served first come, first
 * served, so that a large request is not starved by small ones.
 *
 * The queue of waiters needs no bound of its own: a connection waits at most once.
 */
export class MemoryPool {
  readonly capacityBytes: number
  readonly #waiters: Waiter[] = []
  #usedBytes = 0
  #isShort = false

  constructor(capacityBytes: number) {
    invariant(capacityBytes > 0, 'a pool has a capacity')
    this.capacityBytes = capacityBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get waiterCount(): number {
    return this.#waiters.length
  }

  /** True when the bytes were taken: the caller must release them. */
  tryAcquire(bytes: number): boolean {
    invariant(bytes <= this.capacityBytes, 'nobody asks for more than the pool holds')
    if (this.#waiters.length > 0 || !this.#hasRoomFor(bytes)) return false
    this.#usedBytes += bytes
    return true
  }

  /** While it is short, one grant is out at a time: little is taken, and nobody waits for ever. */
  set isShort(isShort: boolean) {
    this.#isShort = isShort
    this.#serve()
  }

  /** Calls `granted` once the bytes were taken. The returned function gives up the place. */
  wait(bytes: number, granted: () => void): () => void {
    invariant(bytes <= this.capacityBytes, 'nobody asks for more than the pool holds')
    const waiter = { bytes, granted }
    this.#waiters.push(waiter)
    return () => {
      const index = this.#waiters.indexOf(waiter)
      if (index < 0) return
      this.#waiters.splice(index, 1)
      this.#serve()
    }
  }

  release(bytes: number): void {
    invariant(bytes <= this.#usedBytes, 'only what was acquired is released')
    this.#usedBytes -= bytes
    this.#serve()
  }

  #serve(): void {
    let next = this.#waiters[0]
    while (next !== undefined && this.#hasRoomFor(next.bytes)) {
      this.#waiters.shift()
      this.#usedBytes += next.bytes
      next.granted()
      next = this.#waiters[0]
    }
  }

  #hasRoomFor(bytes: number): boolean {
    if (this.#isShort) return this.#usedBytes === 0
    return this.#usedBytes + bytes <= this.capacityBytes
  }
}
