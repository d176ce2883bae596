import { type Transaction, sql } from 'kysely'
import type { Database } from './database.ts'
import { isHeld } from './held-locks.ts'
import { VersionError } from './versions.ts'

/**
 * A transaction of an order, which waits for each lock for so long at most: who has ordered it is told what is in the
 * way, and others do not queue behind it.
 *
 * @throws {VersionError} LOCKED when somebody held what it needs for longer.
 */
export async function orderTransaction<Result>(
  db: Database,
  {
    lockTimeoutMs,
    about,
  }: {
    readonly lockTimeoutMs: number
    /** What is held, and what is to be done again: "… : look …, and <again>". */
    readonly about: { readonly held: string; readonly again: string }
  },
  work: (trx: Transaction<unknown>) => Promise<Result>,
): Promise<Result> {
  try {
    return await db.transaction().execute(async (trx) => {
      await sql`set local lock_timeout = ${sql.lit(lockTimeoutMs)}`.execute(trx)
      return work(trx)
    })
  } catch (error) {
    if (!isHeld(error)) throw error
    throw new VersionError(
      'LOCKED',
      `a transaction holds ${about.held} for longer than ${lockTimeoutMs} ms: look for it in pg_stat_activity, and ${about.again}`,
    )
  }
}
