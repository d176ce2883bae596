import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type BackoffPolicy, type Random, backoffDelayMs, errorMessage } from '@fairlead/base'
import type { Logger } from 'pino'
import type { Health } from './health.ts'

const RETRY_BACKOFF: BackoffPolicy = { baseMs: 100, maxMs: 5_000 }

/**
 * Repeats `attempt` with back-off until it succeeds: for what an app needs from a peer that may start
 * later, or be down for a while. Meanwhile the health check of that name says why it waits.
 *
 * Rejects only when `signal` aborts.
 */
export async function untilSucceeds<Result>(
  attempt: () => Promise<Result>,
  options: {
    /** Name of the health check, such as `database`. */
    readonly check: string
    readonly health: Health
    readonly logger: Logger
    readonly signal: AbortSignal
  },
): Promise<Result> {
  const { check, health, logger, signal } = options
  for (let failures = 0; ; ) {
    signal.throwIfAborted()
    try {
      const result = await attempt()
      health.set(check, true)
      return result
    } catch (error) {
      failures += 1
      health.set(check, errorMessage(error))
      const delayMs = backoffDelayMs(failures, RETRY_BACKOFF, RANDOM)
      logger.warn({ err: error, check, failures, delayMs }, `${check}: trying again`)
      await delay(delayMs, undefined, { signal })
    }
  }
}

const RANDOM: Pick<Random, 'int'> = { int: randomInt }
