import { type Kysely, sql } from 'kysely'

/** The setting that policies of row-level security read: `current_setting('app.tenant', true)`. */
const SETTING = 'app.tenant'

/** Says whose events are being handled, until the transaction or the session ends. */
export async function setTenant(
  db: Kysely<unknown>,
  tenant: string,
  { until }: { readonly until: 'transaction' | 'session' },
): Promise<void> {
  await sql`select set_config(${SETTING}, ${tenant}, ${until === 'transaction'})`.execute(db)
}
