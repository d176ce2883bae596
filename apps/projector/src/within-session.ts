import { OperationalError } from '@fairlead/base'
import { postgresErrorCode } from '@fairlead/postgres'
import { IDLE_IN_TRANSACTION_TIMEOUT_MS } from './store/database.ts'

/** Longer than a transaction may be idle: its session is then at work, or gone. */
const PROBE_INTERVAL_MS = IDLE_IN_TRANSACTION_TIMEOUT_MS + 2_000

/** SQLSTATEs of a session that is there: a statement has failed that `run` is about to undo, or the probe was cancelled. */
const ANSWERS: ReadonlySet<string> = new Set(['25P02', '57014'])

/**
 * What `run`, code of a projection inside of a transaction, comes to. Where it waits for anything but the database
 * for too long, the server ends the session, and no statement of it would ever say so. It goes on then, can
 * change nothing any more, and nobody waits for it.
 *
 * `probe` is any statement of the transaction, which does not end while one of `run` is under way.
 *
 * @throws {OperationalError} ETIMEDOUT, a failure of no event, when the session is gone before `run` ends.
 */
export async function withinSession<T>(
  run: () => Promise<T>,
  options: { readonly probe: () => Promise<unknown>; readonly what: string },
): Promise<T> {
  const lost = Promise.withResolvers<never>()
  const timer = setInterval(() => {
    options.probe().catch((cause: unknown) => {
      const isThere = ANSWERS.has(postgresErrorCode(cause) ?? '')
      if (!isThere) lost.reject(waitedTooLong(options.what, cause))
    })
  }, PROBE_INTERVAL_MS)
  try {
    return await Promise.race([run(), lost.promise])
  } finally {
    clearInterval(timer)
  }
}

function waitedTooLong(what: string, cause: unknown): OperationalError {
  return new OperationalError(
    `${what} waited for something else than the database for over ${IDLE_IN_TRANSACTION_TIMEOUT_MS} ms, or this process stood still for as long, and its session is gone: have enrichEach ask other services`,
    { code: 'ETIMEDOUT', retryable: true, cause },
  )
}
