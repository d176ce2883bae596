import type { Lsn } from '@fairlead/base'

/** A heartbeat that came back. */
export type SeenHeartbeat = { readonly roundTripMs: number }

type Pending = {
  readonly id: string
  readonly writtenAtMs: number
  /** Since when one is waited for: those before it could not be written. */
  readonly sinceMs: number
  /** Why it, or the one in whose place it is, could not be written; undefined once it is written. */
  failure: string | undefined
}

/** How far the log has come. */
export type LogProgress = {
  readonly messageCount: number
  /** Moves also while the server reads what is not published: a large transaction brings no message. */
  readonly receivedLsn: Lsn
}

/**
 * Whether heartbeats come back through the log: one at a time, since another one behind a missing one says
 * nothing new. A log that comes on meanwhile has a backlog, and no fault.
 *
 * Times are of `performance.now()`.
 */
export class HeartbeatWatch {
  readonly #timeoutMs: number
  #pending: Pending | undefined
  #progress: LogProgress | undefined
  #progressedAtMs = 0

  constructor(options: { readonly timeoutMs: number }) {
    this.#timeoutMs = options.timeoutMs
  }

  /** Whether one has to be written: `written` or `failed` follows before it is asked again. */
  begins(id: string, nowMs: number): boolean {
    const pending = this.#pending
    if (pending !== undefined && pending.failure === undefined) return false
    const { sinceMs = nowMs, failure } = pending ?? {}
    this.#pending = { id, writtenAtMs: nowMs, sinceMs, failure }
    return true
  }

  written(id: string): void {
    if (this.#pending?.id === id) this.#pending.failure = undefined
  }

  failed(id: string, failure: string): void {
    if (this.#pending?.id === id) this.#pending.failure = failure
  }

  /** Undefined for one that is not waited for. */
  seen(id: string, nowMs: number): SeenHeartbeat | undefined {
    const pending = this.#pending
    if (pending?.id !== id) return undefined
    this.#pending = undefined
    return { roundTripMs: nowMs - pending.writtenAtMs }
  }

  /** What is wrong; undefined when nothing is. */
  problem(progress: LogProgress, nowMs: number): string | undefined {
    const { messageCount, receivedLsn } = this.#progress ?? {}
    if (progress.messageCount !== messageCount || progress.receivedLsn !== receivedLsn) {
      this.#progress = progress
      this.#progressedAtMs = nowMs
    }
    const pending = this.#pending
    if (pending === undefined) return undefined
    const { failure, sinceMs } = pending
    const silentMs = nowMs - Math.max(sinceMs, failure === undefined ? this.#progressedAtMs : 0)
    if (silentMs < this.#timeoutMs) return undefined
    const seconds = Math.round((nowMs - sinceMs) / 1_000)
    return failure === undefined
      ? `a heartbeat that was written ${seconds} s ago has not come back through the log, and nothing else does`
      : `no heartbeat could be written for ${seconds} s: ${failure}`
  }
}
