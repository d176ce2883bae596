import { type Lsn, errorMessage, formatLsn } from '@fairlead/base'
import { classifyPostgresError } from '@fairlead/postgres'
import type pg from 'pg'

/** An order to the relay of a slot; see `relay.signal` in the database. */
export type Signal = {
  readonly signalId: string
  readonly type: SignalType
  readonly data: Readonly<Record<string, unknown>>
  /** How far an earlier process has come. */
  readonly progress: SignalProgress
}

/** Types that are taken from the log, too. */
const LOG_SIGNAL_TYPES = [
  'execute-snapshot',
  'stop-snapshot',
  'pause-snapshot',
  'resume-snapshot',
] as const
export type SignalType =
  | 'replay-parked'
  | 'discard-parked'
  | 'replay-table'
  | 'reset-position'
  | (typeof LOG_SIGNAL_TYPES)[number]

export type SignalProgress = Readonly<Record<string, number | string>>

/** How long it can be looked up what became of a signal. */
const FINISHED_RETENTION = '30 days'
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
    const { rows } = await this.#client.query<Signal>(
      `update relay.signal set state = 'running' where signal_id = (
         select signal_id from relay.signal
         where slot_name = $1 and type = any($2) and state in ('requested', 'running')
         order by signal_id limit 1)
       returning signal_id::text as "signalId", type, data, progress`,
      [this.#slotName, types],
    )
    return rows[0]
  }

  /**
   * Takes in a signal that was written to the log, `{"slot": …, "type": …, "data": {…}}`; one that is read
   * twice is taken once. Anybody who may connect can write to the log, so it only takes orders that
   * harm nothing, and that name the slot. Why it is passed over, when it is; what is for another slot is so
   * without a word.
   */
  async takeMessage(messageLsn: Lsn, content: string): Promise<string | undefined> {
    const signal = jsonOf(content)
    if (!isObject(signal)) return 'it is no JSON object'
    const { slot, type, data = {} } = signal
    if (slot === undefined) return 'it names no slot'
    if (slot !== this.#slotName) return undefined
    const known = LOG_SIGNAL_TYPES.find((name) => name === type)
    if (known === undefined) return `its type is none of ${LOG_SIGNAL_TYPES.join(', ')}`
    if (!isObject(data)) return 'its data are no object'
    try {
      await this.#client.query(
        `insert into relay.signal (slot_name, type, data, source_lsn) values ($1, $2, $3, $4)
         on conflict do nothing`,
        [this.#slotName, known, data, formatLsn(messageLsn)],
      )
    } catch (error) {
      // Such as a zero character, which jsonb does not take.
      if (classifyPostgresError(error) === 'data') return errorMessage(error)
      throw error
    }
    return undefined
  }

  /** Unless one is under way or ordered already. */
  async orderInitialSnapshot(tables: readonly string[]): Promise<void> {
    if (tables.length === 0) return
    await this.#client.query(
      `insert into relay.signal (slot_name, type, data)
       select $1, 'execute-snapshot', $2 where not exists (select from relay.signal
         where slot_name = $1 and type = 'execute-snapshot' and data ->> 'type' = 'initial'
           and finished_at is null)`,
      [this.#slotName, { type: 'initial', 'data-collections': tables }],
    )
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
    await this.#client.query(
      `delete from relay.signal where slot_name = $1 and finished_at < clock_timestamp() - $2::interval`,
      [this.#slotName, FINISHED_RETENTION],
    )
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
