import { type Lsn, formatLsn, lsn, parseLsn } from '@fairlead/base'
import type pg from 'pg'
import { halt } from '../session-failure.ts'

/** How a session of this slot has ended. */
export type EndedSession = {
  readonly sessionId: number
  /** Nothing beyond it was ever confirmed. */
  readonly confirmedLsn: Lsn
}

/**
 * The sessions of a slot, counted in relay.slot, so that a slot that somebody has made anew or moved
 * is noticed: Postgres tells nothing of it, and what lies before it would silently be missing.
 *
 * Only the session that reads the slot confirms, and an orderly end notes how far it got. A slot that
 * stands further than the last session ever confirmed was moved by somebody else. After an end without
 * a note, as by `kill -9`, nothing can be told; a process remembers its own sessions, though, as long
 * as no other one has had the slot since.
 */
export class SlotSession {
  readonly #client: pg.Client
  readonly #slotName: string
  readonly #sessionId: number
  readonly #beganAt: Lsn

  private constructor(
    client: pg.Client,
    given: { readonly slotName: string; readonly sessionId: number; readonly beganAt: Lsn },
  ) {
    this.#client = client
    this.#slotName = given.slotName
    this.#sessionId = given.sessionId
    this.#beganAt = given.beganAt
  }

  /**
   * Called once the slot is read by us, before anything is confirmed.
   *
   * @throws {SessionFailure} `SLOT_AHEAD`
   */
  static async begin(
    client: pg.Client,
    slotName: string,
    last: EndedSession | undefined,
  ): Promise<SlotSession> {
    const { rows } = await client.query<{
      session_id: string
      noted: string | null
      stands_at: string | null
    }>(
      `select slot.session_id, slot.confirmed_lsn::text as noted,
         server.confirmed_flush_lsn::text as stands_at
       from relay.slot join pg_replication_slots as server using (slot_name)
       where slot_name = $1`,
      [slotName],
    )
    const [row] = rows
    if (row === undefined) throw halt('SLOT_LOST', `slot ${slotName} is gone`)
    const sessionId = Number(row.session_id)
    const remembered = last?.sessionId === sessionId ? last.confirmedLsn : undefined
    const confirmedLsn = row.noted === null ? remembered : parseLsn(row.noted)
    const standsAt = row.stands_at === null ? lsn(0n) : parseLsn(row.stands_at)
    if (confirmedLsn !== undefined && standsAt > confirmedLsn) {
      throw halt('SLOT_AHEAD', slotAheadReason(slotName, standsAt, confirmedLsn))
    }
    await client.query(
      'update relay.slot set session_id = $2, confirmed_lsn = null where slot_name = $1',
      [slotName, sessionId + 1],
    )
    return new SlotSession(client, { slotName, sessionId: sessionId + 1, beganAt: standsAt })
  }

  /** `confirmedLsn` of the last status update; 0 when it confirmed nothing. */
  endedAt(confirmedLsn: Lsn): EndedSession {
    const isFurther = confirmedLsn > this.#beganAt
    return { sessionId: this.#sessionId, confirmedLsn: isFurther ? confirmedLsn : this.#beganAt }
  }

  /** For the next session, whichever process has it; unless that has begun already. */
  async note({ sessionId, confirmedLsn }: EndedSession): Promise<void> {
    await this.#client.query(
      'update relay.slot set confirmed_lsn = $3 where slot_name = $1 and session_id = $2',
      [this.#slotName, sessionId, formatLsn(confirmedLsn)],
    )
  }
}

function slotAheadReason(slotName: string, standsAt: Lsn, confirmedLsn: Lsn): string {
  return (
    `slot ${slotName} stands at ${formatLsn(standsAt)} and only ${formatLsn(confirmedLsn)} was ever confirmed: ` +
    'somebody has made it anew or moved it, and events in between may be missing. "fairlead relay replay-table" ' +
    'makes it anew and publishes them from the outbox table; to do without them, ' +
    `"update relay.slot set confirmed_lsn = null where slot_name = '${slotName}'"`
  )
}
