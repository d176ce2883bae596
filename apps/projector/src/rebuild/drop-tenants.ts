import { expectBuilding } from '../store/jobs.ts'
import { versionOf } from '../store/registered-projection.ts'
import { TENANTS_AT_A_TIME, dropTenantSchemas } from '../store/tenant-schemas.ts'
import type { RebuildOptions } from './rebuild-version.ts'

/** Drops what a version had before it was ordered anew, some tenants at a time. */
export async function dropTenants({
  session,
  registered,
  job,
}: Pick<RebuildOptions, 'session' | 'registered' | 'job'>): Promise<void> {
  for (let droppedCount = TENANTS_AT_A_TIME; droppedCount === TENANTS_AT_A_TIME; ) {
    droppedCount = await session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, registered, job.id)
      return dropTenantSchemas(trx, versionOf(registered))
    })
  }
}
