import type pg from 'pg'
import type { SignalType } from './signals.ts'

/** A signal as it stands. */
export type SignalStatus = {
  readonly signalId: string
  readonly type: SignalType
  readonly state: 'requested' | 'running' | 'done' | 'failed'
  readonly data: Readonly<Record<string, unknown>>
  readonly progress: Readonly<Record<string, number | string>>
  /** Why it failed. */
  readonly reason: string | null
  readonly requestedAt: Date
  readonly finishedAt: Date | null
}

const STATUS = `signal_id::text as "signalId", type, state, data, progress, reason,
  requested_at as "requestedAt", finished_at as "finishedAt"`

/** The relay that holds the slot carries it out. */
export async function requestSignal(
  pool: pg.Pool,
  slotName: string,
  signal: { readonly type: SignalType; readonly data: Readonly<Record<string, unknown>> },
): Promise<string> {
  const { rows } = await pool.query<{ id: string }>('select relay.signal($1, $2, $3)::text as id', [
    slotName,
    signal.type,
    signal.data,
  ])
  return rows[0]?.id ?? ''
}

/** The latest signals, newest first. */
export async function listSignals(
  pool: pg.Pool,
  slotName: string,
  limit: number,
): Promise<readonly SignalStatus[]> {
  const { rows } = await pool.query<SignalStatus>(
    `select ${STATUS} from relay.signal where slot_name = $1 order by signal.signal_id desc limit $2`,
    [slotName, limit],
  )
  return rows
}

/** Undefined when there is no such signal. */
export async function readSignal(
  pool: pg.Pool,
  slotName: string,
  signalId: string,
): Promise<SignalStatus | undefined> {
  const { rows } = await pool.query<SignalStatus>(
    `select ${STATUS} from relay.signal where slot_name = $1 and signal_id = $2`,
    [slotName, signalId],
  )
  return rows[0]
}
