import { setTimeout as delay } from 'node:timers/promises'
import { type BackoffPolicy, backoffDelayMs, errorMessage } from '@fairlead/base'
import { RegistryError } from './registry-error.ts'

export type RegistryHttpOptions = {
  /** Base URL of a registry, or of several: the next one is tried when one does not answer. */
  readonly url: string | readonly string[]
  /** Deadline of one attempt. Default 10 000. */
  readonly requestTimeoutMs?: number
  /** Attempts in all. Default 4. */
  readonly attemptsMax?: number
  readonly backoff?: BackoffPolicy
  readonly headers?: Readonly<Record<string, string>>
  readonly fetch?: typeof globalThis.fetch
}

const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'
const REQUEST_TIMEOUT_MS = 10_000
const ATTEMPTS_MAX = 4
const BACKOFF: BackoffPolicy = { baseMs: 100, maxMs: 5_000 }
const RANDOM = { int: (bound: number): number => Math.floor(Math.random() * bound) }

export type RegistryRequest = {
  readonly method: 'GET' | 'POST'
  /** Path and query, with encoded segments. */
  readonly path: string
  readonly body?: unknown
}

/** Requests to the registry, retried where a retry can help. All of them are safe to repeat. */
export class RegistryHttp {
  readonly #urls: readonly string[]
  readonly #options: RegistryHttpOptions

  constructor(options: RegistryHttpOptions) {
    this.#urls = [options.url].flat().map((url) => url.replace(/\/+$/, ''))
    this.#options = options
  }

  /** @throws {RegistryError} */
  async request(request: RegistryRequest): Promise<unknown> {
    const { attemptsMax = ATTEMPTS_MAX, backoff = BACKOFF } = this.#options
    for (let attempt = 1; ; attempt += 1) {
      const base = this.#urls[(attempt - 1) % this.#urls.length] ?? ''
      try {
        return await this.#attempt(base, request)
      } catch (error) {
        if (!(error instanceof RegistryError) || !error.retryable || attempt >= attemptsMax) {
          throw error
        }
        await delay(backoffDelayMs(attempt, backoff, RANDOM))
      }
    }
  }

  /** To each registry once. @throws {RegistryError} that of the first, when all refuse. */
  async requestAll(request: RegistryRequest): Promise<void> {
    const attempts = await Promise.allSettled(
      this.#urls.map((base) => this.#attempt(base, request)),
    )
    const [first] = attempts
    const areRefused = attempts.every(({ status }) => status === 'rejected')
    if (first?.status === 'rejected' && areRefused) throw first.reason
  }

  async #attempt(base: string, { method, path, body }: RegistryRequest): Promise<unknown> {
    const {
      requestTimeoutMs = REQUEST_TIMEOUT_MS,
      headers,
      fetch = globalThis.fetch,
    } = this.#options
    let response: Response
    let text: string
    try {
      response = await fetch(`${base}${path}`, {
        method,
        headers: {
          ...headers,
          accept: CONTENT_TYPE,
          ...(body === undefined ? {} : { 'content-type': CONTENT_TYPE }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(requestTimeoutMs),
      })
      text = await response.text()
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
      throw new RegistryError(`the registry at ${base} does not answer: ${errorMessage(cause)}`, {
        retryable: true,
        cause: error,
      })
    }
    const json = jsonOf(text)
    if (response.ok && json !== undefined) return json
    throw refused(`${method} ${path}`, { status: response.status, isOk: response.ok, json })
  }
}

function refused(
  what: string,
  {
    status,
    isOk,
    json,
  }: { readonly status: number; readonly isOk: boolean; readonly json: unknown },
): RegistryError {
  const { error_code: errorCode, message } = (json ?? {}) as {
    error_code?: unknown
    message?: unknown
  }
  const reason = typeof message === 'string' ? message : isOk ? 'no JSON' : 'no reason given'
  return new RegistryError(`${what}: ${status}, ${reason}`, {
    status,
    errorCode: typeof errorCode === 'number' ? errorCode : undefined,
    retryable: isOk || status === 408 || status === 429 || status >= 500,
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
