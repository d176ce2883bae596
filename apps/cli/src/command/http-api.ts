import { OperationalError } from '@fairlead/base'
import { type JsonAnswer, askJson, reasonOf, refusalOf } from '@fairlead/json-http'
import { type OptionDefinition, type OptionValues, textOption, timeoutOption } from './command.ts'
import { type HttpAddress, httpAddress } from './http-address.ts'

/** Of every command that asks a service over HTTP. */
export const TOKEN_OPTION: Readonly<Record<string, OptionDefinition>> = {
  token: {
    value: 'token',
    doc: 'its http.auth.bearer.token (default: $FAIRLEAD_TOKEN, which no list of processes shows)',
  },
}

const REQUEST_TIMEOUT_MS = 30_000
/** Code of a service that lacks a peer of its own. */
export const UNAVAILABLE = 'UNAVAILABLE'

/** An answer that is none of the expected ones; `code` is the service's own, HTTP's status or UNREACHABLE. */
export class HttpApiError extends OperationalError {
  override readonly name = 'HttpApiError'
  /** Of HTTP; 0 without an answer. */
  readonly status: number

  constructor(
    message: string,
    of: { readonly code: string; readonly status: number; readonly cause?: unknown },
  ) {
    super(message, { code: of.code, retryable: of.status === 0, cause: of.cause })
    this.status = of.status
  }
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

type ApiRequest = Omit<RequestInit, 'headers' | 'signal'> & {
  readonly headers?: Readonly<Record<string, string>>
}

/** The HTTP API of one of our services: JSON in, JSON out. */
export class HttpApi {
  readonly #address: HttpAddress
  readonly #service: string
  /** Undefined: each request has that of its kind. */
  readonly #timeoutMs: number | undefined

  /**
   * `service` is its name, as in `relay`, which is also the name of the option with its address; the
   * token and the deadline are those of `options`.
   *
   * @throws {UsageError} when the address is no URL, or the deadline none.
   */
  constructor(
    { service, url }: { readonly service: string; readonly url: string },
    options: OptionValues,
  ) {
    const token = textOption(options, 'token') ?? process.env['FAIRLEAD_TOKEN']
    this.#address = httpAddress(service, url, token)
    this.#service = service
    this.#timeoutMs = timeoutOption(options)
  }

  get<Answer>(path: string): Promise<Answer> {
    return this.#request(path, {}, REQUEST_TIMEOUT_MS)
  }

  /** `timeoutMs` is for what the service may take longer for than for anything else. */
  async send<Answer>(
    method: Exclude<Method, 'GET'>,
    path: string,
    body: Readonly<Record<string, unknown>>,
    { timeoutMs = REQUEST_TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
  ): Promise<Answer> {
    const init = {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }
    return this.#request(path, init, timeoutMs)
  }

  async #request<Answer>(path: string, init: ApiRequest, timeoutMs: number): Promise<Answer> {
    const answer = await this.#answerTo(path, init, timeoutMs)
    if (answer.ok && answer.body !== undefined) return answer.body as Answer
    const { code, message } = refusalOf(this.#service, answer)
    // The service itself is there, whatever cannot be connected to.
    const told =
      code === UNAVAILABLE
        ? `what the ${this.#service} at ${this.#address.url} needs is away: ${message}`
        : message
    throw new HttpApiError(told, { code, status: answer.status })
  }

  async #answerTo(path: string, init: ApiRequest, timeoutMs: number): Promise<JsonAnswer> {
    const { url, headers } = this.#address
    try {
      return await askJson(`${url}${path}`, {
        ...init,
        headers: { ...init.headers, ...headers },
        timeoutMs: this.#timeoutMs ?? timeoutMs,
      })
    } catch (error) {
      const message = mayBeCarriedOut(error)
        ? `the ${this.#service} at ${url} gave no answer (${reasonOf(error)})${doubtOf(init)}`
        : `no ${this.#service} answers at ${url}: ${reasonOf(error)}`
      throw new HttpApiError(message, { code: 'UNREACHABLE', status: 0, cause: error })
    }
  }
}

/** Of connections that are lost, or as good as. */
const LOST: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_SOCKET',
])

/** Whether the service may have what it was sent, and only its answer did not come. */
function mayBeCarriedOut(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return error.name === 'TimeoutError' || LOST.has(codeOf(error.cause))
}

/** What has no answer may have been done, and be done still. */
function doubtOf({ method }: ApiRequest): string {
  return method === undefined ? '' : ': whether it does what it was asked is not known, look first'
}

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : ''
}
