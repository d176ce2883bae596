import { setTimeout as delay } from 'node:timers/promises'
import { type BackoffPolicy, backoffDelayMs, errorMessage } from '@fairlead/base'
import { type UrlCredentials, basicAuthorization, splitCredentials } from '@fairlead/json-http'
import { RegistryError } from './registry-error.ts'

export type RegistryHttpOptions = {
  /**
   * Base URL of a registry, or of several: the next one is tried when one does not answer. It may have a user
   * and a password in it.
   */
  readonly url: string | readonly string[]
  /** `user:password`, for all of them, whatever their URLs say (Confluent's `basic.auth.user.info`). */
  readonly userInfo?: string
  /** Bearer token, in place of a user (`bearer.auth.token`). */
  readonly token?: string
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
/** Without any URL. */
const NOWHERE: UrlCredentials = { url: '', authorization: undefined }
const RANDOM = { int: (bound: number): number => Math.floor(Math.random() * bound) }

export type RegistryRequest = {
  readonly method: 'GET' | 'POST'
  /** Path and query, with encoded segments. */
  readonly path: string
  readonly body?: unknown
}

/** Requests to the registry, retried where a retry can help. All of them are safe to repeat. */
export class RegistryHttp {
  readonly #bases: readonly UrlCredentials[]
  readonly #options: RegistryHttpOptions

  constructor(options: RegistryHttpOptions) {
    const { url: urls, userInfo, token } = options
    const ofAll = userInfo === undefined ? undefined : basicAuthorization(userInfo)
    const given = token === undefined ? ofAll : `Bearer ${token}`
    this.#bases = [urls].flat().map((text) => {
      const { url, authorization } = splitCredentials(text)
      return { url: url.replace(/\/+$/, ''), authorization: given ?? authorization }
    })
    this.#options = options
  }

  /** @throws {RegistryError} */
  async request(request: RegistryRequest): Promise<unknown> {
    const { attemptsMax = ATTEMPTS_MAX, backoff = BACKOFF } = this.#options
    for (let attempt = 1; ; attempt += 1) {
      const base = this.#bases[(attempt - 1) % this.#bases.length] ?? NOWHERE
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
      this.#bases.map((base) => this.#attempt(base, request)),
    )
    const [first] = attempts
    const areRefused = attempts.every(({ status }) => status === 'rejected')
    if (first?.status === 'rejected' && areRefused) throw first.reason
  }

  async #attempt(
    { url, authorization }: UrlCredentials,
    { method, path, body }: RegistryRequest,
  ): Promise<unknown> {
    const {
      requestTimeoutMs = REQUEST_TIMEOUT_MS,
      headers,
      fetch = globalThis.fetch,
    } = this.#options
    let response: Response
    let text: string
    try {
      response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(authorization === undefined ? {} : { authorization }),
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
      throw new RegistryError(`the registry at ${url} does not answer: ${errorMessage(cause)}`, {
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
