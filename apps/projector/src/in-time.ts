import { OperationalError } from '@fairlead/base'

/**
 * What `run` comes to; it may throw before it returns a promise. One that takes longer is told by its
 * signal, and nobody waits for it.
 *
 * @throws {OperationalError} when it takes longer: a peer is slow, or away. The reason of `signal`.
 */
export async function inTime<T>(
  run: (signal: AbortSignal) => Promise<T> | T,
  limit: {
    readonly timeoutMs: number
    readonly what: string
    readonly signal?: AbortSignal | undefined
  },
): Promise<T> {
  const { timeoutMs, what, signal } = limit
  signal?.throwIfAborted()
  const done = Promise.withResolvers<T>()
  const ended = new AbortController()
  const end = (reason: unknown): void => {
    done.reject(reason)
    ended.abort(reason)
  }
  const late = (): OperationalError =>
    new OperationalError(`${what} did not end within ${timeoutMs} ms`, {
      code: 'ETIMEDOUT',
      retryable: true,
    })
  const timer = setTimeout(() => end(late()), timeoutMs)
  const abort = (): void => end(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  Promise.resolve()
    .then(() => run(ended.signal))
    .then(done.resolve, done.reject)
  try {
    return await done.promise
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
