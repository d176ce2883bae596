import pg from 'pg'
import { quotedTable } from '../source/source-options.ts'
import { type CleanedTable, oldestNeededMs } from './cleaned-tables.ts'

const BATCH_ROWS = 5_000
/** Of one round: the next one goes on. */
const BATCHES_MAX = 100

/** Deletes rows of before `untilMs`, in short transactions, around rows that others hold. */
export async function deleteRows(
  client: pg.ClientBase,
  { table, timeColumn }: CleanedTable,
  untilMs: number,
): Promise<number> {
  const endMs = Math.min(untilMs, await oldestNeededMs(client, table))
  const name = quotedTable(table)
  let deleted = 0
  for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
    const { rowCount } = await client.query(
      // Each partition has a row of its own at a place; the places alone let Postgres read no others.
      `with old as materialized (
         select tableoid, ctid from ${name} where ${pg.escapeIdentifier(timeColumn)} < to_timestamp($1 / 1000.0)
         limit ${BATCH_ROWS} for update skip locked)
       delete from ${name} where ctid = any(array(select ctid from old))
         and (tableoid, ctid) in (select tableoid, ctid from old)`,
      [endMs],
    )
    deleted += rowCount ?? 0
    if ((rowCount ?? 0) < BATCH_ROWS) break
  }
  return deleted
}
