import { once } from 'node:events'

/** Whether the workers of a version may apply events: closed by an operator, in every process. */
export class PauseGate {
  readonly #changes = new EventTarget()
  #closedBy: string | undefined

  get isClosed(): boolean {
    return this.#closedBy !== undefined
  }

  /** Who closed it, for people; undefined while it is open. */
  get reason(): string | undefined {
    return this.#closedBy === undefined ? undefined : `paused by ${this.#closedBy}`
  }

  /** Who closes it; undefined opens it. */
  set(closedBy: string | undefined): void {
    if (closedBy === this.#closedBy) return
    this.#closedBy = closedBy
    this.#changes.dispatchEvent(new Event('change'))
  }

  /** Calls `onChange` with each change, until `signal` fires. */
  watch(onChange: () => void, signal: AbortSignal): void {
    this.#changes.addEventListener('change', onChange, { signal })
  }

  /** Returns early, and silently, when `signal` fires. */
  async opened(signal: AbortSignal): Promise<void> {
    while (this.isClosed && !signal.aborted) {
      await once(this.#changes, 'change', { signal }).catch(() => undefined)
    }
  }
}
