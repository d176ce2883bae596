import { type BackoffPolicy, type Random, backoffDelayMs } from '@fairlead/base'
import { randomBytes, randomInt } from 'node:crypto'
import { abortedError, exhaustedError, toKafkaError } from './error-codes.ts'
import type { KafkaError } from './kafka-error.ts'

/** Kafka's `retry.backoff.ms` and `retry.backoff.max.ms`. */
export const RETRY_BACKOFF: BackoffPolicy = { baseMs: 100, maxMs: 1_000 }

export const jitter: Random = {
  int: (bound) => randomInt(bound),
  bytes: (length) => randomBytes(length),
}

export type RetryOptions = {
  /** For messages: which operation is retried. */
  readonly what: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly onRetry?: (error: KafkaError) => void
  readonly isRetryable?: (error: KafkaError) => boolean
  /** Default that of Kafka's clients. */
  readonly backoff?: BackoffPolicy
}

/** Time left of an operation; never below 1, so that it is a valid timeout. */
export type Remaining = () => number

/**
 * Repeats `attempt` with growing, jittered delays until it succeeds, fails for good, or the time is
 * over. An attempt must bound itself by the remaining time that it is given.
 */
export async function retrying<Result>(
  options: RetryOptions,
  attempt: (remaining: Remaining) => Promise<Result>,
): Promise<Result> {
  const deadlineMs = performance.now() + options.timeoutMs
  const remaining = () => Math.max(1, Math.ceil(deadlineMs - performance.now()))
  for (let attemptCount = 1; ; attemptCount += 1) {
    if (options.signal?.aborted === true) throw abortedError(options.what)
    try {
      return await attempt(remaining)
    } catch (thrown) {
      const error = toKafkaError(thrown, options.what)
      const mayRetry = options.isRetryable?.(error) ?? error.retryable
      if (!mayRetry) throw error
      const delayMs = backoffDelayMs(attemptCount, options.backoff ?? RETRY_BACKOFF, jitter)
      if (performance.now() + delayMs >= deadlineMs) {
        throw exhaustedError(options.what, options.timeoutMs, error)
      }
      options.onRetry?.(error)
      await delay(delayMs, options.signal)
    }
  }
}

/** Waits, or returns early when the signal fires: the caller looks at its own state next. */
export function delay(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve()
      return
    }
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, delayMs)
    signal?.addEventListener('abort', end)
  })
}
