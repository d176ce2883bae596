import type { OperationalErrorOptions } from '@fairlead/base'
import { type JsonAnswer, askJson, reasonOf, refusalOf } from './ask-json.ts'

const TIMEOUT_DEFAULT_MS = 30_000

export type ServiceAddress = {
  readonly url: string
  /** Its `http.auth.bearer.token`. */
  readonly token?: string
  /** How long an answer may take; default 30 s. */
  readonly timeoutMs?: number
  /** Default: the global one. */
  readonly fetch?: typeof fetch
}

/** Makes the error that a library throws; `code` is the service's own, HTTP_<status>, NETWORK or TIMEOUT. */
type MakeError = (message: string, options: OperationalErrorOptions) => Error

type Order = {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly body?: object
  /** What the service may take longer for than for anything else. */
  readonly extraMs?: number
}

/** The HTTP API of one of our services, for libraries. Each call rejects with an error of the library. */
export class JsonClient {
  readonly #service: string
  readonly #address: ServiceAddress
  readonly #errorOf: MakeError

  /** `service` is its name, as in `relay`. */
  constructor(service: string, address: ServiceAddress, errorOf: MakeError) {
    this.#service = service
    this.#address = address
    this.#errorOf = errorOf
  }

  async ask<Answer>(path: string, order: Order = { method: 'GET' }): Promise<Answer> {
    const answer = await this.#answerTo(path, order)
    if (answer.ok && answer.body !== undefined) return answer.body as Answer
    const { code, message } = refusalOf(this.#service, answer)
    throw this.#errorOf(message, { code, retryable: answer.status >= 500 })
  }

  async #answerTo(path: string, { method, body, extraMs = 0 }: Order): Promise<JsonAnswer> {
    const { url, token, fetch, timeoutMs: usualMs = TIMEOUT_DEFAULT_MS } = this.#address
    const timeoutMs = usualMs + extraMs
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    try {
      const target = `${url.replace(/\/$/, '')}${path}`
      return await askJson(target, { method, headers, ...sent, timeoutMs, fetch })
    } catch (cause) {
      if (isTimeout(cause)) {
        const message = `the ${this.#service} at ${url} has not answered within ${timeoutMs} ms`
        throw this.#errorOf(message, { code: 'TIMEOUT', retryable: true, cause })
      }
      const message = `no ${this.#service} answers at ${url}: ${reasonOf(cause)}`
      throw this.#errorOf(message, { code: 'NETWORK', retryable: isHttpUrl(url), cause })
    }
  }
}

function isHttpUrl(url: string): boolean {
  return /^https?:$/.test(URL.parse(url)?.protocol ?? '')
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError'
}
