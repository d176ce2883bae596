import { type Transaction, sql } from 'kysely'

/** Sets how long the next statement may wait for its lock. */
export type LimitWait = () => Promise<void>

/** All locks together may take as long as one: the readers of the first wait for the last. */
export function waitLimit(trx: Transaction<unknown>, timeoutMs: number): LimitWait {
  const deadlineMs = performance.now() + timeoutMs
  return async () => {
    const leftMs = Math.max(1, Math.round(deadlineMs - performance.now()))
    await sql`set local lock_timeout = ${sql.lit(leftMs)}`.execute(trx)
  }
}
