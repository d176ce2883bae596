import type pg from 'pg'

/** An order to the relay of a slot; see `relay.signal` in the database. */
export type Signal = {
  readonly signalId: string
  readonly type: SignalType
  readonly data: Readonly<Record<string, unknown>>
}

export type SignalType = 'replay-parked' | 'discard-parked'

export type SignalProgress = Readonly<Record<string, number | string>>

/** Notified with the name of the slot by a trigger of `relay.signal`. */
const CHANNEL = 'fairlead_relay_signal'

/**
 * The orders that a slot's relay has not carried out yet. Only the process that holds the slot reads
 * them; anybody may give them, by HTTP or by SQL.
 */
export class Signals {
  readonly #client: pg.Client
  readonly #slotName: string

  constructor(client: pg.Client, slotName: string) {
    this.#client = client
    this.#slotName = slotName
  }

  /** Calls `onSignal` for each new one, as long as the connection lives. */
  async listen(onSignal: () => void): Promise<void> {
    this.#client.on('notification', ({ channel, payload }) => {
      if (channel === CHANNEL && payload === this.#slotName) onSignal()
    })
    await this.#client.query(`listen ${CHANNEL}`)
  }

  /** The oldest one of these types that is not finished; it is `running` from here on. */
  async next(types: readonly SignalType[]): Promise<Signal | undefined> {
    const { rows } = await this.#client.query<{
      id: string
      type: SignalType
      data: Signal['data']
    }>(
      `update relay.signal set state = 'running' where signal_id = (
         select signal_id from relay.signal
         where slot_name = $1 and type = any($2) and state in ('requested', 'running')
         order by signal_id limit 1)
       returning signal_id::text as id, type, data`,
      [this.#slotName, types],
    )
    const [row] = rows
    return row === undefined ? undefined : { signalId: row.id, type: row.type, data: row.data }
  }

  async report(signalId: string, progress: SignalProgress): Promise<void> {
    await this.#client.query('update relay.signal set progress = $2 where signal_id = $1', [
      signalId,
      progress,
    ])
  }

  /** Without a reason it succeeded. */
  async finish(signalId: string, progress: SignalProgress, reason?: string): Promise<void> {
    await this.#client.query(
      `update relay.signal set state = $2, progress = $3, reason = $4, finished_at = clock_timestamp()
       where signal_id = $1`,
      [signalId, reason === undefined ? 'done' : 'failed', progress, reason ?? null],
    )
  }
}
