import { type OptionDefinition, type OptionValues, textOption } from '../command/command.ts'
import { HttpApi, TOKEN_OPTION } from '../command/http-api.ts'

export const RELAY_OPTION: Readonly<Record<string, OptionDefinition>> = {
  relay: {
    value: 'url',
    doc: 'the HTTP address of a relay (default: $FAIRLEAD_RELAY, then http://127.0.0.1:8083)',
  },
  ...TOKEN_OPTION,
}

const RELAY_DEFAULT = 'http://127.0.0.1:8083'
const POLL_INTERVAL_MS = 200

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
  readonly #http: HttpApi

  /** @throws {UsageError} when the address is no URL. */
  constructor(options: OptionValues) {
    const url = textOption(options, 'relay') ?? process.env['FAIRLEAD_RELAY'] ?? RELAY_DEFAULT
    this.#http = new HttpApi({ service: 'relay', url }, options)
  }

  get<Answer>(path: string): Promise<Answer> {
    return this.#http.get(path)
  }

  post<Answer>(path: string, body: Readonly<Record<string, unknown>>): Promise<Answer> {
    return this.#http.send('POST', path, body)
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
}
