import { errorMessage } from '@fairlead/base'

/** An answer over HTTP. */
export type JsonAnswer = {
  readonly ok: boolean
  readonly status: number
  /** Undefined for what is no JSON: something else than the service answers. */
  readonly body: unknown
}

export type JsonRequest = Omit<RequestInit, 'signal'> & {
  /** For the whole answer. */
  readonly timeoutMs: number
  /** Default: the global one. */
  readonly fetch?: typeof fetch | undefined
}

/** @throws {DOMException} TimeoutError. What `fetch` throws where no answer comes, or one that is cut. */
export async function askJson(url: string, request: JsonRequest): Promise<JsonAnswer> {
  const { timeoutMs, fetch: send = fetch, ...init } = request
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const response = await send(url, { ...init, signal })
    const { ok, status } = response
    return { ok, status, body: jsonOf(await response.text()) }
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
}

/** Why no answer came: `fetch` says that it failed, and its cause why; one of several addresses has no more than a code. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof TypeError ? (error.cause ?? error) : error
  const { code } = cause as { readonly code?: unknown }
  return errorMessage(cause) || String(code ?? cause)
}

/** What a service says of what it refuses; its status stands for a code that it does not give. */
export function refusalOf(
  service: string,
  { status, body }: JsonAnswer,
): { readonly code: string; readonly message: string } {
  const { code, message } = (body ?? {}) as { readonly code?: string; readonly message?: string }
  const told = `the ${service} answers ${status}${body === undefined ? ', and no JSON' : ''}`
  return { code: code ?? `HTTP_${status}`, message: message ?? told }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
