import { type Transaction, sql } from 'kysely'

/**
 * Statements that Kysely does not write, and that name no schema, are about these tables first. Without that they
 * would be about the views of `public`: what a version that is rebuilt writes would change the rows of the live one.
 */
export async function searchFirst(trx: Transaction<unknown>, schemaName: string): Promise<void> {
  // That of the tenant before, in the same transaction, has no say any more.
  await sql`set local search_path to default`.execute(trx)
  await sql`select set_config('search_path',
    concat_ws(', ', ${schemaName}::text, nullif(current_setting('search_path'), '')), true)`.execute(
    trx,
  )
}
