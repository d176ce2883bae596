import { type AnyEvent, type Projection, keepingTransaction } from '@fairlead/projection'
import { sql } from 'kysely'
import { withinSession } from '../within-session.ts'
import type { BuildSession } from './build-session.ts'

/**
 * What `enrich` says about events that are read from the log again. Nobody waits for one that waits for anything but
 * the database for too long, no more than live.
 *
 * @throws what `enrich` throws, and what `withinSession` does.
 */
export function enrichInSession(
  session: BuildSession,
  enrich: NonNullable<Projection['enrich']>,
  events: readonly AnyEvent[],
): Promise<unknown> {
  const { db } = session
  return session.lend(() =>
    withinSession(async () => enrich(events, { db: keepingTransaction(db) }), {
      probe: () => sql`select`.execute(db),
      what: 'enrich',
    }),
  )
}
