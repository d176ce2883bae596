/**
 * What cores need from the machine. `libs/runtime` implements these ports on Node; a simulator can
 * implement them on a seeded event loop. Time in a core is always an argument or comes from a port.
 */

export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. For durations and deadlines. */
  nowMs(): number
  /** Milliseconds since the Unix epoch; may jump. For timestamps that leave the process. */
  wallNowMs(): number
}

export interface Timers {
  /** Calls `callback` once, `delayMs` from now. The returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void
}

export interface Random {
  /** An integer from 0 to `bound` - 1. */
  int(bound: number): number
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array
}
