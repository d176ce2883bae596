import { OperationalError } from '@fairlead/base'
import { type UrlCredentials, reasonOf, splitCredentials } from '@fairlead/json-http'
import type { ConnectionOptions } from '../command/command.ts'

const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'
/** Answers of our registry that say more than Confluent's; any other one answers in its own type. */
const EXPLAINING_TYPES = `application/vnd.fairlead.registry.v1+json, ${CONTENT_TYPE};q=0.9`

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** What the registry refused, or that it did not answer. `errorCode` is Confluent's, 0 for no answer. */
class RegistryFailure extends OperationalError {
  override readonly name = 'RegistryFailure'
  readonly errorCode: number

  constructor(message: string, options: { readonly errorCode: number; readonly cause?: unknown }) {
    super(message, { code: codeOf(options.errorCode), retryable: false, cause: options.cause })
    this.errorCode = options.errorCode
  }
}

function codeOf(errorCode: number): string {
  const status = Number(String(errorCode).slice(0, 3))
  if (status === 0) return 'UNREACHABLE'
  if (status === 404) return 'RESOURCE_NOT_FOUND'
  if (status === 401 || status === 403) return 'CLUSTER_AUTHORIZATION_FAILED'
  return status === 409 ? 'REGISTRY_CONFLICT' : 'REGISTRY_REFUSED'
}

/** A schema registry with Confluent's REST API, as the commands use it. */
export class RegistryApi {
  readonly #base: UrlCredentials
  readonly #timeoutMs: number

  constructor({ registryUrl, requestTimeoutMs }: ConnectionOptions) {
    const { url, authorization } = splitCredentials(registryUrl)
    this.#base = { url: url.replace(/\/+$/, ''), authorization }
    this.#timeoutMs = requestTimeoutMs
  }

  get<Answer>(path: string): Promise<Answer> {
    return this.#request('GET', path)
  }

  post<Answer>(path: string, body: object): Promise<Answer> {
    return this.#request('POST', path, body)
  }

  /** As `post`, with all that our registry has to say. */
  ask<Answer>(path: string, body: object): Promise<Answer> {
    return this.#request('POST', path, body, EXPLAINING_TYPES)
  }

  put<Answer>(path: string, body: object): Promise<Answer> {
    return this.#request('PUT', path, body)
  }

  delete<Answer>(path: string): Promise<Answer> {
    return this.#request('DELETE', path)
  }

  /** @throws {RegistryFailure} */
  async #request<Answer>(
    method: Method,
    path: string,
    body?: object,
    accept: string = CONTENT_TYPE,
  ): Promise<Answer> {
    const { url, authorization } = this.#base
    let response: Response
    let text: string
    try {
      response = await fetch(`${url}${path}`, {
        method,
        headers: {
          accept,
          ...(authorization === undefined ? {} : { authorization }),
          ...(body === undefined ? {} : { 'content-type': CONTENT_TYPE }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(this.#timeoutMs),
      })
      text = await response.text()
    } catch (error) {
      throw new RegistryFailure(`${url} does not answer: ${reasonOf(error)}`, {
        errorCode: 0,
        cause: error,
      })
    }
    const json = jsonOf(text)
    if (response.ok && json !== undefined) return json as Answer
    const { error_code: errorCode = response.status, message = `status ${response.status}` } =
      (json ?? {}) as { readonly error_code?: number; readonly message?: string }
    throw new RegistryFailure(message, { errorCode })
  }
}

/** The answer, or undefined where there is no such thing. */
export async function unlessMissing<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof RegistryFailure && error.code === 'RESOURCE_NOT_FOUND') return undefined
    throw error
  }
}

/** `/subjects/<name>`, with what follows. */
export function subjectPath(subject: string, rest = ''): string {
  return `/subjects/${encodeURIComponent(subject)}${rest}`
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
