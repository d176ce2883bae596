import type pg from 'pg'

/** Of the server's clock against that of this host. */
export type ClockOffset = {
  /** Above 0 when the server's is ahead. */
  readonly offsetMs: number
  /** The offset is off by so much at most. */
  readonly errorMs: number
}

/** What `Date.now` leaves out. */
const RESOLUTION_MS = 1

/** The server tells its time somewhere between question and answer: in the middle, or half of that away. */
export async function measureClockOffset(
  client: pg.Client,
  wallNowMs: () => number = Date.now,
): Promise<ClockOffset> {
  const askedAtMs = wallNowMs()
  const startMs = performance.now()
  const { rows } = await client.query<{ nowMs: number }>(
    `select extract(epoch from clock_timestamp())::float8 * 1000 as "nowMs"`,
  )
  const halfMs = (performance.now() - startMs) / 2
  const serverMs = rows[0]?.nowMs ?? Number.NaN
  return { offsetMs: serverMs - (askedAtMs + halfMs), errorMs: halfMs + RESOLUTION_MS }
}
