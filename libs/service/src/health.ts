/** Ready, or the reason why not. */
export type CheckState = true | string

/** The check that a process sets when it begins to stop. */
export const SHUTDOWN_CHECK = 'shutdown'

/**
 * Whether this process can serve, as named checks. Liveness is not here: a process that answers at
 * all is alive, and must not be restarted because a peer is down.
 */
export class Health {
  readonly #checks = new Map<string, CheckState>()

  /** Sets one check, such as `set('broker', 'connection refused')`. */
  set(check: string, state: CheckState): void {
    this.#checks.set(check, state)
  }

  /** The process was asked to end, or failed. */
  get isStopping(): boolean {
    return this.#checks.has(SHUTDOWN_CHECK)
  }

  get isReady(): boolean {
    return [...this.#checks.values()].every((state) => state === true)
  }

  report(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      [...this.#checks].map(([check, state]) => [check, state === true ? 'ok' : state]),
    )
  }
}
