import type { PreparedRecord } from '@fairlead/projection'
import type { Batch } from './apply-batch.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'
import { setTenant } from './store/set-tenant.ts'
import { tenantSchemas } from './store/tenant-schemas.ts'

/** Nobody has registered the tenant, or the event has none: there are no tables for it. */
class UnknownTenantError extends Error {
  override readonly name = 'UnknownTenantError'
}

/**
 * A batch as one part for each tenant, of a projection that keeps them apart: what is done for a part is
 * done with `app.tenant` set, in the tables of its tenant. Events of one tenant keep their order; those
 * of tenants without tables are set aside. A row's key says which row it is within a part, and not
 * beyond: what is remembered of rows from one part to another has to be by `schemaName`, too.
 */
export async function* tenantParts(
  batch: Batch,
  registered: RegisteredProjection,
): AsyncGenerator<Batch> {
  const { trx, records } = batch
  const byTenant = Map.groupBy(records, ({ tenant }) => tenant)
  // In one order: two batches that write the same rows wait for each other in it.
  const tenants = [...byTenant.keys()].toSorted()
  const schemas = await schemasOf(batch, registered, byTenant)
  for (const tenant of tenants) {
    const ofTenant = byTenant.get(tenant) ?? []
    const schemaName = schemas(tenant)
    if (schemaName === undefined) {
      setAside(batch, ofTenant, tenant)
      continue
    }
    await setTenant(trx, tenant, { until: 'transaction' })
    yield { ...batch, records: ofTenant, schemaName }
  }
}

async function schemasOf(
  { trx, ledger, schemaName }: Batch,
  registered: RegisteredProjection,
  byTenant: ReadonlyMap<string, readonly PreparedRecord[]>,
): Promise<(tenant: string) => string | undefined> {
  if (registered.projection.tenants !== 'schema') return () => schemaName
  // Nothing is looked for, or made, for events that are set aside behind others.
  const named = [...byTenant].flatMap(([tenant, records]) =>
    tenant === '' || records.every(({ key }) => ledger.isParked(key)) ? [] : [tenant],
  )
  const schemas = await tenantSchemas(trx, registered, named)
  return (tenant) => schemas.get(tenant)
}

/** Parks the keys of a tenant without tables. */
export function setAside(
  { ledger }: Pick<Batch, 'ledger'>,
  records: readonly PreparedRecord[],
  tenant: string,
): void {
  const reason =
    tenant === ''
      ? 'the record names no tenant'
      : `the tenant ${tenant} is not registered, or one too many (tenants.max): "fairlead projection add-tenant" makes its tables; then replay the letters`
  for (const prepared of records) {
    if (ledger.open(prepared) === null) continue
    ledger.park(prepared, new UnknownTenantError(reason))
  }
}
