import { invariant } from '@fairlead/base'

/**
 * What all connections hold together, and whether that is too much.
 *
 * While it is, a connection gets one request at a time, and none while it leaves a response unread:
 * nobody is refused, and nothing grows with what peers send. A connection that was held back is
 * told when it is over.
 *
 * Invariants: no count is negative; a connection waits at most once.
 */
export class Load {
  readonly #queuedRequestsMax: number
  readonly #unsentBytesMax: number
  readonly #waiting = new Set<() => void>()
  #queuedRequests = 0
  #unsentBytes = 0
  #isMemoryShort = false

  constructor(limits: { readonly queuedRequestsMax: number; readonly unsentBytesMax: number }) {
    this.#queuedRequestsMax = limits.queuedRequestsMax
    this.#unsentBytesMax = limits.unsentBytesMax
  }

  /** Requests that are under way beside an older one of their connection. */
  get queuedRequests(): number {
    return this.#queuedRequests
  }

  /** Response bytes that the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.#unsentBytes
  }

  get isHigh(): boolean {
    return (
      this.#isMemoryShort ||
      this.#queuedRequests >= this.#queuedRequestsMax ||
      this.#unsentBytes >= this.#unsentBytesMax
    )
  }

  changeQueuedRequests(by: number): void {
    this.#queuedRequests += by
    invariant(this.#queuedRequests >= 0, 'a request ends once')
    if (by < 0) this.#wakeWhenLow()
  }

  changeUnsentBytes(by: number): void {
    this.#unsentBytes += by
    invariant(this.#unsentBytes >= 0, 'bytes are sent once')
    if (by < 0) this.#wakeWhenLow()
  }

  /** The process as a whole holds nearly all the memory that it may hold. */
  set isMemoryShort(isShort: boolean) {
    this.#isMemoryShort = isShort
    this.#wakeWhenLow()
  }

  get isMemoryShort(): boolean {
    return this.#isMemoryShort
  }

  /** Calls `goOn` once the load is not high any more. The same function waits once. */
  whenLow(goOn: () => void): void {
    this.#waiting.add(goOn)
  }

  forget(goOn: () => void): void {
    this.#waiting.delete(goOn)
  }

  #wakeWhenLow(): void {
    if (this.#waiting.size === 0 || this.isHigh) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const goOn of waiting) goOn()
  }
}
