import { type Kysely, sql } from 'kysely'
import type { ShopDatabase } from './database.ts'

export type ShopStats = {
  readonly orders: number
  readonly outboxEvents: number
  /** Rows of the read model `order_summary`. */
  readonly readModelRows: number
  /** Events that a projection set aside: those that failed, and those that wait behind them. */
  readonly deadLetters: number
}

/** Counts what the pipeline has done so far, straight from the database. */
export async function readStats(database: Kysely<ShopDatabase>): Promise<ShopStats> {
  // The read side appears when the projector has run for the first time.
  const tables = await sql<{ read_model: boolean; dead_letter: boolean }>`
    select to_regclass('public.order_summary') is not null as read_model,
      to_regclass('evt.dead_letter') is not null as dead_letter`.execute(database)
  const count = async (relation: string): Promise<number> => {
    const result = await sql<{ count: string }>`
      select count(*) from ${sql.table(relation)}`.execute(database)
    return Number(result.rows[0]?.count ?? 0)
  }
  const present = tables.rows[0]
  return {
    orders: await count('shop.orders'),
    outboxEvents: await count('outbox.events'),
    readModelRows: present?.read_model === true ? await count('public.order_summary') : 0,
    deadLetters: present?.dead_letter === true ? await count('evt.dead_letter') : 0,
  }
}
