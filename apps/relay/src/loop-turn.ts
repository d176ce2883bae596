import { setImmediate } from 'node:timers/promises'

/** Between turns the server, the brokers and HTTP are heard. */
export const LOOP_TURN_MS = 100

/** One turn of the event loop, for work that may take long without waiting for anything: rows that a function routes. */
export class LoopTurn {
  #beganAtMs = performance.now()

  /** It is time for the others. */
  get isOver(): boolean {
    return performance.now() - this.#beganAtMs >= LOOP_TURN_MS
  }

  /** Lets the others run once it is over, and begins the next one. */
  async share(): Promise<void> {
    if (!this.isOver) return
    await setImmediate()
    this.#beganAtMs = performance.now()
  }
}
