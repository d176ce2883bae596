import { expectBuilding } from '../store/jobs.ts'
import { versionOf } from '../store/registered-projection.ts'
import { dropTenantSchemas } from '../store/tenant-schemas.ts'
import type { RebuildOptions } from './rebuild-version.ts'

/** A transaction that drops their tables has some ten locks for each. */
const TENANTS_AT_A_TIME = 20

/**
 * Drops what a version had before it was ordered anew, some tenants at a time: who drops and makes the tables of hundreds
 * of them in one transaction takes more locks than a server has room for (`max_locks_per_transaction`).
 */
export async function dropTenants({
  session,
  registered,
  job,
}: Pick<RebuildOptions, 'session' | 'registered' | 'job'>): Promise<void> {
  for (let droppedCount = TENANTS_AT_A_TIME; droppedCount === TENANTS_AT_A_TIME; ) {
    droppedCount = await session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, registered, job.id)
      return dropTenantSchemas(trx, versionOf(registered), TENANTS_AT_A_TIME)
    })
  }
}
