import { OperationalError, errorMessage } from '@fairlead/base'
import {
  type OptionDefinition,
  type OptionValues,
  UsageError,
  textOption,
} from '../command/command.ts'

export const RELAY_OPTION: Readonly<Record<string, OptionDefinition>> = {
  relay: {
    value: 'url',
    doc: 'the HTTP address of a relay (default: $FAIRLEAD_RELAY, then http://127.0.0.1:8083)',
  },
}

const RELAY_DEFAULT = 'http://127.0.0.1:8083'
const REQUEST_TIMEOUT_MS = 30_000
const POLL_INTERVAL_MS = 200

/** An answer that is none of the expected ones; `code` is HTTP's status, or NETWORK. */
class RelayApiError extends OperationalError {
  override readonly name = 'RelayApiError'
}

/** An order to the relay that holds the slot, as it stands. */
export type SignalStatus = {
  readonly signalId: string
  readonly type: string
  readonly state: 'requested' | 'running' | 'done' | 'failed'
  readonly progress: Readonly<Record<string, number | string>>
  readonly reason: string | null
}

/** The HTTP API of a relay. */
export class RelayApi {
  readonly #url: string

  /** @throws {UsageError} when the address is no URL. */
  constructor(options: OptionValues) {
    const url = textOption(options, 'relay') ?? process.env['FAIRLEAD_RELAY'] ?? RELAY_DEFAULT
    if (!URL.canParse(url)) throw new UsageError(`--relay is an http:// address, not "${url}"`)
    this.#url = url.replace(/\/$/, '')
  }

  get<Answer>(path: string): Promise<Answer> {
    return this.#request(path, {})
  }

  post<Answer>(path: string, body: Readonly<Record<string, unknown>>): Promise<Answer> {
    return this.#request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  }

  /** Gives an order and waits until it is carried out. */
  async order(
    path: string,
    body: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<SignalStatus> {
    const { signalId } = await this.post<{ readonly signalId: string }>(path, body)
    for (;;) {
      const status = await this.get<SignalStatus>(`/signals/${signalId}`)
      if (status.state === 'done' || status.state === 'failed' || signal.aborted) return status
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS))
    }
  }

  async #request<Answer>(path: string, init: RequestInit): Promise<Answer> {
    const response = await this.#fetch(path, init)
    const answer = (await response.json().catch(() => ({}))) as { readonly message?: string }
    if (response.ok) return answer as Answer
    throw new RelayApiError(answer.message ?? `the relay answers ${response.status}`, {
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
      throw new RelayApiError(`no relay answers at ${this.#url}: ${errorMessage(error)}`, {
        code: 'NETWORK',
        retryable: true,
        cause: error,
      })
    }
  }
}
