import { OperationalError, errorMessage } from '@fairlead/base'

export type ProjectorAddress = {
  /** HTTP address of any projector that has the code of the projections. */
  readonly url: string
  /** The projector's `http.auth.bearer.token`. */
  readonly token?: string
  /** Default: the global one. */
  readonly fetch?: typeof fetch
}

/**
 * The projector refuses, or does not answer. `code` is its own, such as UNKNOWN_VERSION or LAGS_BEHIND;
 * NETWORK, REBUILD_FAILED and VERIFICATION_FAILED are of this library.
 */
export class ProjectionAdminError extends OperationalError {
  override readonly name = 'ProjectionAdminError'
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>

/** JSON in, JSON out. Every method rejects with a `ProjectionAdminError`. */
export class ProjectorHttp {
  readonly #address: ProjectorAddress

  constructor(address: ProjectorAddress) {
    this.#address = address
  }

  get<Answer>(path: string, query: Query = {}): Promise<Answer> {
    return this.#request(path, query, {})
  }

  post<Answer>(path: string, query: Query = {}): Promise<Answer> {
    return this.#request(path, query, { method: 'POST' })
  }

  async #request<Answer>(path: string, query: Query, init: RequestInit): Promise<Answer> {
    const { url, token, fetch: request = fetch } = this.#address
    const given = Object.entries(query).filter(([, value]) => value !== undefined)
    const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]))
    const target = `${url.replace(/\/$/, '')}${path}${search.size === 0 ? '' : `?${search.toString()}`}`
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    let response: Response
    try {
      response = await request(target, { ...init, headers })
    } catch (cause) {
      const message = `no projector answers at ${url}: ${errorMessage(cause)}`
      throw new ProjectionAdminError(message, { code: 'NETWORK', retryable: true, cause })
    }
    const answer = (await response.json().catch(() => ({}))) as {
      readonly code?: string
      readonly message?: string
    }
    if (response.ok) return answer as Answer
    throw new ProjectionAdminError(answer.message ?? `the projector answers ${response.status}`, {
      code: answer.code ?? `HTTP_${response.status}`,
      retryable: response.status >= 500,
    })
  }
}
