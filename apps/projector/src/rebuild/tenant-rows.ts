import { versionOf } from '../store/registered-projection.ts'
import { listTenantSchemas } from '../store/tenant-schemas.ts'
import { RebuildFailed } from './rebuild-failed.ts'
import type { RebuildOptions } from './rebuild-version.ts'

/** The rows of one tenant, where each has tables of its own; of all, and no tenant, otherwise. */
export type TenantRows = { readonly tenant: string | null; readonly options: RebuildOptions }

/** Each with a reader that ignores the events of all others, for who reads those of one alone. */
export async function rowsByTenant(options: RebuildOptions): Promise<readonly TenantRows[]> {
  const { session, registered, reader } = options
  if (registered.projection.tenants !== 'schema') return [{ tenant: null, options }]
  const schemas = await listTenantSchemas(session.db, versionOf(registered))
  return schemas.map(({ tenant, schemaName }) => ({
    tenant,
    options: {
      ...options,
      registered: { ...registered, schemaName },
      reader: reader.ofTenant(tenant),
    },
  }))
}

/**
 * The rows that an order is about.
 *
 * @throws {RebuildFailed} when there are tenants and the order names none, or the other way round.
 */
export async function rowsOfOrder(options: RebuildOptions): Promise<RebuildOptions> {
  const { tenant } = options.job.request
  const all = await rowsByTenant(options)
  const found = all.find((each) => each.tenant === (tenant ?? null))
  if (found !== undefined) return found.options
  const { name } = options.registered.projection
  throw new RebuildFailed(
    all[0]?.tenant === null
      ? `${name} does not keep the rows of tenants apart: name no tenant`
      : tenant === undefined
        ? `${name} has rows for each tenant: name the one whose rows are to be folded anew`
        : `${name} has no rows of tenant ${tenant}`,
  )
}
