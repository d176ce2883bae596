import { type Kysely, type Transaction, sql } from 'kysely'
import { readCheckpoints } from '../store/checkpoints.ts'
import { inTransaction } from '../store/database.ts'
import { versionOf } from '../store/registered-projection.ts'
import { type Relation, tablesIn } from '../store/relations.ts'
import { setTenant } from '../store/set-tenant.ts'
import { listTenantSchemas } from '../store/tenant-schemas.ts'
import { readVersionsById } from '../store/versions.ts'
import { JobReporter } from './job-progress.ts'
import { LogReading } from './log-reading.ts'
import { RebuildFailed } from './rebuild-failed.ts'
import type { RebuildOptions } from './rebuild-version.ts'
import { hidesRows } from './row-security.ts'
import type { TableCount, Verification } from './verify-version.ts'

/** Each is a statement for each table. */
const TENANTS_MAX = 10_000

/**
 * Rows of each table that handlers in SQL have made, beside those of the version that readers see. What the rows should
 * be is not known without running the handlers, so nothing is compared.
 *
 * A policy of row-level security hides the rows of a table from a session that is no tenant's. They are counted of
 * one tenant after the other then, and the log says which there are.
 *
 * @throws {RebuildFailed} when there are too many of them.
 */
export async function countTables(options: RebuildOptions): Promise<Verification> {
  const { session, registered, db, job, nowMs } = options
  const { projectionId, schemaName } = registered
  const tenants = new LogTenants(options)
  const reporter = new JobReporter({ db, jobId: job.id, nowMs, parked: () => 0 })
  try {
    // Before there is a snapshot, which would keep what was deleted from being vacuumed for as long as that takes.
    if (await inTransaction(session.db, (trx) => hidesSome(trx, schemaName))) {
      const ends = await readCheckpoints(session.db, versionOf(registered))
      const total = ends.reduce((count, { progress }) => count + progress.nextOffset, 0)
      await reporter.enter('reading', () => Promise.resolve({ done: tenants.readCount, total }))
      await tenants.find(session.db)
    }
    return await inTransaction(session.db, async (trx) => {
      await sql`set transaction isolation level repeatable read`.execute(trx)
      const versions = await readVersionsById(trx, [projectionId])
      const shown = versions.find(({ version, liveVersion }) => version === liveVersion)
      const own = await countsOf(trx, { ...versionOf(registered), schemaName }, tenants)
      return counted(own, shown === undefined ? null : await countsOf(trx, shown, tenants))
    })
  } finally {
    await reporter.stop()
  }
}

function counted(
  own: ReadonlyMap<string, number>,
  live: ReadonlyMap<string, number> | null,
): Verification {
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
  tenants: LogTenants,
): Promise<ReadonlyMap<string, number>> {
  const ofTenants = await listTenantSchemas(trx, version)
  const schemas = [version.schemaName, ...ofTenants.map(({ schemaName }) => schemaName)]
  const counts = new Map<string, number>()
  for (const table of [...(await tablesIn(trx, schemas)).values()].flat()) {
    const tenant = ofTenants.find(({ schemaName }) => schemaName === table.schema)?.tenant
    const seenBy = tenant === undefined ? () => tenants.find(trx) : () => Promise.resolve([tenant])
    const count = (await hidesRows(trx, table))
      ? await countAs(trx, table, await seenBy())
      : await countOf(trx, table)
    counts.set(table.name, (counts.get(table.name) ?? 0) + count)
  }
  return counts
}

type Table = Pick<Relation, 'schema' | 'name'>

async function hidesSome(trx: Transaction<unknown>, schemaName: string): Promise<boolean> {
  for (const table of [...(await tablesIn(trx, [schemaName])).values()].flat()) {
    if (await hidesRows(trx, table)) return true
  }
  return false
}

async function countAs(
  trx: Transaction<unknown>,
  table: Table,
  tenants: readonly string[],
): Promise<number> {
  let count = 0
  for (const tenant of tenants) {
    await setTenant(trx, tenant, { until: 'transaction' })
    count += await countOf(trx, table)
  }
  return count
}

async function countOf(trx: Transaction<unknown>, { schema, name }: Table): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::float8 as count from ${sql.id(schema, name)}`.execute(trx)
  return rows[0]?.count ?? 0
}

/** Tenants that the log has an event of. */
class LogTenants {
  readonly #registered: RebuildOptions['registered']
  readonly #found = new Set<string>()
  readonly #reading: LogReading

  constructor(options: RebuildOptions) {
    this.#registered = options.registered
    this.#reading = new LogReading(options, (records) => {
      for (const { tenant } of records) this.#found.add(tenant)
      if (this.#found.size <= TENANTS_MAX) return Promise.resolve()
      throw new RebuildFailed(
        `rows under row-level security are counted tenant by tenant, and there are more than ${TENANTS_MAX}`,
      )
    })
  }

  get readCount(): number {
    return this.#reading.readCount
  }

  /** Up to the checkpoints of the version, as the session sees them. The log is read once. */
  async find(db: Kysely<unknown>): Promise<readonly string[]> {
    await this.#reading.readTo(await readCheckpoints(db, versionOf(this.#registered)))
    return [...this.#found]
  }
}

function sum(counts: Iterable<number>): number {
  return [...counts].reduce((total, count) => total + count, 0)
}
