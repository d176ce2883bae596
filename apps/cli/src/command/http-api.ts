import { OperationalError, errorMessage } from '@fairlead/base'
import { UsageError } from './command.ts'

const REQUEST_TIMEOUT_MS = 30_000

/** An answer that is none of the expected ones; `code` is HTTP's status, or NETWORK. */
class HttpApiError extends OperationalError {
  override readonly name = 'HttpApiError'
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** The HTTP API of one of our services: JSON in, JSON out. */
export class HttpApi {
  readonly #url: string
  readonly #service: string

  /**
   * `service` is its name, as in `relay`, which is also the name of the option with its address.
   *
   * @throws {UsageError} when the address is no URL.
   */
  constructor(options: { readonly service: string; readonly url: string }) {
    const { service, url } = options
    if (!URL.canParse(url)) throw new UsageError(`--${service} is an http:// address, not "${url}"`)
    this.#url = url.replace(/\/$/, '')
    this.#service = service
  }

  get<Answer>(path: string): Promise<Answer> {
    return this.#request(path, {})
  }

  async send<Answer>(
    method: Exclude<Method, 'GET'>,
    path: string,
    body: Readonly<Record<string, unknown>>,
  ): Promise<Answer> {
    return this.#request(path, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  }

  async #request<Answer>(path: string, init: RequestInit): Promise<Answer> {
    const response = await this.#fetch(path, init)
    const answer = (await response.json().catch(() => ({}))) as { readonly message?: string }
    if (response.ok) return answer as Answer
    throw new HttpApiError(answer.message ?? `the ${this.#service} answers ${response.status}`, {
      code: `HTTP_${response.status}`,
      retryable: false,
    })
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(`${this.#url}${path}`, {
        ...init,
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      })
    } catch (error) {
      throw new HttpApiError(
        `no ${this.#service} answers at ${this.#url}: ${errorMessage(error)}`,
        { code: 'NETWORK', retryable: true, cause: error },
      )
    }
  }
}
