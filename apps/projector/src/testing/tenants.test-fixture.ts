import { sql } from 'kysely'
import type { Database } from '../store/database.ts'
import { accountId, accounts, deposited } from './accounts.test-fixture.ts'

/** Each tenant has tables of its own. */
export const apart = { ...accounts, tenants: 'schema' as const }
export const WITH_TENANTS = { tenantHeader: 'tenant' }

/** A deposit of a tenant. */
export function of(tenant: string, index: number, amount: number) {
  return deposited(accountId(index), amount, [['tenant', Buffer.from(tenant)]])
}

/** Balances in the order of the accounts. */
export async function readBalances(db: Database, schema: string): Promise<readonly number[]> {
  const { rows } = await sql<{ balance: number }>`
    select balance from ${sql.table(`${schema}.account`)} order by id`.execute(db)
  return rows.map(({ balance }) => balance)
}

/** Tables and views in the schemas of this pattern. */
export async function readRelations(db: Database, pattern: string): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select n.nspname || '.' || c.relname as name from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname like ${pattern} and c.relkind in ('r', 'v') order by 1`.execute(db)
  return rows.map(({ name }) => name)
}
