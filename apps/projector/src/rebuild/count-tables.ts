import { type Transaction, sql } from 'kysely'
import { inTransaction } from '../store/database.ts'
import { versionOf } from '../store/registered-projection.ts'
import { tablesIn } from '../store/relations.ts'
import { listTenantSchemas } from '../store/tenant-schemas.ts'
import { readVersionsById } from '../store/versions.ts'
import type { RebuildOptions } from './rebuild-version.ts'
import type { TableCount, Verification } from './verify-version.ts'

/**
 * Rows of each table that handlers in SQL have made, beside those of the version that readers see. What the rows should
 * be is not known without running the handlers, so nothing is compared.
 */
export async function countTables({ session, registered }: RebuildOptions): Promise<Verification> {
  const { projectionId } = registered
  const { own, live } = await inTransaction(session.db, async (trx) => {
    await sql`set transaction isolation level repeatable read`.execute(trx)
    const versions = await readVersionsById(trx, [projectionId])
    const shown = versions.find(({ version, liveVersion }) => version === liveVersion)
    return {
      own: await countsOf(trx, { ...versionOf(registered), schemaName: registered.schemaName }),
      live: shown === undefined ? null : await countsOf(trx, shown),
    }
  })
  const tables = [...own].map(([name, rowCount]): TableCount => {
    return { name, rowCount, liveRowCount: live?.get(name) ?? null }
  })
  return {
    isEqual: null,
    rowCount: sum(own.values()),
    liveRowCount: live === null ? null : sum(live.values()),
    logKeyCount: null,
    comparedKeys: 0,
    failingKeys: 0,
    missing: [],
    surplus: [],
    different: [],
    tables,
  }
}

/** By the name of the table; those of tenants together. */
async function countsOf(
  trx: Transaction<unknown>,
  version: { readonly projectionId: number; readonly version: number; readonly schemaName: string },
): Promise<ReadonlyMap<string, number>> {
  const ofTenants = await listTenantSchemas(trx, version)
  const schemas = [version.schemaName, ...ofTenants.map(({ schemaName }) => schemaName)]
  const counts = new Map<string, number>()
  for (const { schema, name } of [...(await tablesIn(trx, schemas)).values()].flat()) {
    const { rows } = await sql<{ count: number }>`
      select count(*)::float8 as count from ${sql.id(schema, name)}`.execute(trx)
    counts.set(name, (counts.get(name) ?? 0) + (rows[0]?.count ?? 0))
  }
  return counts
}

function sum(counts: Iterable<number>): number {
  return [...counts].reduce((total, count) => total + count, 0)
}
