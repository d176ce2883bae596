import { OperationalError, errorMessage } from '@fairlead/base'

export type ProjectorAddress = {
  /** HTTP address of any projector that has the code of the projections. */
  readonly url: string
  /** The projector's `http.auth.bearer.token`. */
  readonly token?: string
  /** How long an answer may take; default 30 s. A promotion and a rollback have 20 s more, as they wait for readers. */
  readonly timeoutMs?: number
  /** Default: the global one. */
  readonly fetch?: typeof fetch
}

/**
 * The projector refuses, or does not answer. `code` is its own, such as UNKNOWN_VERSION or LAGS_BEHIND;
 * NETWORK, TIMEOUT, REBUILD_FAILED and VERIFICATION_FAILED are of this library.
 */
export class ProjectionAdminError extends OperationalError {
  override readonly name = 'ProjectionAdminError'
}

const TIMEOUT_DEFAULT_MS = 30_000

type Query = Readonly<Record<string, string | number | boolean | undefined>>

type Order = { readonly method: 'GET' | 'POST'; readonly extraMs: number }

/** JSON in, JSON out. Every method rejects with a `ProjectionAdminError`. */
export class ProjectorHttp {
  readonly #address: ProjectorAddress

  constructor(address: ProjectorAddress) {
    this.#address = address
  }

  get<Answer>(path: string, query: Query = {}): Promise<Answer> {
    return this.#request(path, query, { method: 'GET', extraMs: 0 })
  }

  /** `extraMs` is for what the projector may take longer for than for anything else. */
  post<Answer>(
    path: string,
    query: Query = {},
    { extraMs = 0 }: { readonly extraMs?: number } = {},
  ): Promise<Answer> {
    return this.#request(path, query, { method: 'POST', extraMs })
  }

  async #request<Answer>(path: string, query: Query, order: Order): Promise<Answer> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined)
    const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]))
    const target = search.size === 0 ? path : `${path}?${search.toString()}`
    const { ok, status, text } = await this.#answerTo(target, order)
    const answer = jsonOf(text)
    if (ok && answer !== undefined) return answer as Answer
    const {
      code,
      message = `the projector answers ${status}${answer === undefined ? ', and no JSON' : ''}`,
    } = (answer ?? {}) as { readonly code?: string; readonly message?: string }
    throw new ProjectionAdminError(message, {
      code: code ?? `HTTP_${status}`,
      retryable: status >= 500,
    })
  }

  async #answerTo(
    target: string,
    { method, extraMs }: Order,
  ): Promise<{ readonly ok: boolean; readonly status: number; readonly text: string }> {
    const { url, token, fetch: request = fetch } = this.#address
    const timeoutMs = (this.#address.timeoutMs ?? TIMEOUT_DEFAULT_MS) + extraMs
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const signal = AbortSignal.timeout(timeoutMs)
    try {
      const response = await request(`${url.replace(/\/$/, '')}${target}`, {
        method,
        headers,
        signal,
      })
      const { ok, status } = response
      return { ok, status, text: await response.text() }
    } catch (cause) {
      if (signal.aborted) {
        const message = `the projector at ${url} has not answered within ${timeoutMs} ms`
        throw new ProjectionAdminError(message, { code: 'TIMEOUT', retryable: true, cause })
      }
      const message = `no projector answers at ${url}: ${errorMessage(cause)}`
      throw new ProjectionAdminError(message, { code: 'NETWORK', retryable: true, cause })
    }
  }
}

/** Undefined for what is no JSON: something else than a projector answers. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
