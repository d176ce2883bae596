import { errorMessage } from '@fairlead/base'
import type { Admin } from '@fairlead/kafka'

const INTERVAL_MS = 1_000
const TIMEOUT_MS = 2_000

/** Asks the brokers for a sign of life, so that an idle relay, too, knows whether it could publish. */
export class BrokerProbe {
  readonly #admin: Admin
  readonly #onState: (state: true | string) => void
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(admin: Admin, onState: (state: true | string) => void) {
    this.#admin = admin
    this.#onState = onState
  }

  start(): void {
    this.#onState('not asked yet')
    void this.#ask()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#admin.close()
  }

  async #ask(): Promise<void> {
    const state = await this.#admin.ping(TIMEOUT_MS).then(
      (): true => true,
      (error: unknown) => `no broker answers: ${errorMessage(error)}`,
    )
    if (this.#isStopped) return
    this.#onState(state)
    this.#timer = setTimeout(() => void this.#ask(), INTERVAL_MS)
  }
}
