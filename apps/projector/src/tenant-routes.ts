import type { AppContext, ConfigSpec } from '@fairlead/service'
import { type Transaction, sql } from 'kysely'
import type { Database } from './store/database.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'
import { registerTenants, tenantSchemas } from './store/tenant-schemas.ts'
import { isRunning, lockVersion } from './store/versions.ts'

/** Of a longer name, events have a part; see `RecordReader`. */
const NAME_LENGTH_MAX = 500

type TenantSource = {
  readonly db: Database
  /** The versions whose code is here. */
  readonly registered: () => readonly RegisteredProjection[]
}

/**
 * Tenants of projections that keep each tenant's tables apart.
 *
 * - `GET /tenants`: all that are known, with the schema of their views.
 * - `POST /tenants?name=`: registers one before his first event, and makes his tables in each version that
 *   follows the log and whose code is here; other versions make them with his first event. Known already:
 *   nothing changes.
 */
export function addTenantRoutes(
  http: AppContext<ConfigSpec>['http'],
  { db, registered }: TenantSource,
): void {
  http.get('/tenants', async () => {
    const { rows } = await sql`
      select name, schema_name as "schemaName", created_at as "createdAt" from evt.tenant
      order by name`.execute(db)
    return { tenants: rows }
  })
  http.post<{ Querystring: { readonly name: string } }>(
    '/tenants',
    {
      schema: {
        querystring: {
          type: 'object',
          additionalProperties: false,
          properties: { name: { type: 'string', minLength: 1, maxLength: NAME_LENGTH_MAX } },
          required: ['name'],
        },
      },
    },
    async ({ query: { name } }) => {
      await registerTenants(db, [name])
      for (const each of registered()) {
        if (each.projection.tenants !== 'schema') continue
        await db.transaction().execute((trx) => makeSchema(trx, each, name))
      }
      const { rows } = await sql`
        select name, schema_name as "schemaName", created_at as "createdAt" from evt.tenant
        where name = ${name}`.execute(db)
      return rows[0]
    },
  )
}

async function makeSchema(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  tenant: string,
): Promise<void> {
  const { state } = await lockVersion(trx, registered.projection)
  if (isRunning(state)) await tenantSchemas(trx, registered, [tenant])
}
