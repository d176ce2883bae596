import { type Transaction, sql } from 'kysely'
import { listTenantSchemas } from './tenant-schemas.ts'
import { type Version, VersionError } from './versions.ts'
import type { Place } from './views.ts'

type Versions = { readonly live: Version; readonly target: Version }

/**
 * Where views are, what they are to show, and what they show: in `public`, and in the schema of each
 * tenant of which one of the two versions has tables.
 *
 * @throws {VersionError} NOT_BUILT when readers of a tenant would find no views.
 */
export async function placesOf(
  trx: Transaction<unknown>,
  { live, target }: Versions,
): Promise<readonly Place[]> {
  const [before, after] = [await shownBy(trx, live), await shownBy(trx, target)]
  for (const { into, tenant } of before.values()) {
    if (tenant === null || after.has(into) || after.has('public')) continue
    throw new VersionError(
      'NOT_BUILT',
      `${target.name} v${target.version} has no tables of tenant ${tenant}: their readers would find none. "fairlead projection add-tenant" makes them`,
    )
  }
  return placesIn(before, after)
}

/** As {@link placesOf}, while the target may still make the tables of a tenant. */
export async function placesSoFar(
  trx: Transaction<unknown>,
  { live, target }: Versions,
): Promise<readonly Place[]> {
  return placesIn(await shownBy(trx, live), await shownBy(trx, target))
}

type ShownBySchema = ReadonlyMap<string, Shown>

function placesIn(before: ShownBySchema, after: ShownBySchema): readonly Place[] {
  const places = new Set([...before.keys(), ...after.keys()])
  return [...places].map((into) => ({
    into,
    from: after.get(into)?.from ?? null,
    before: before.get(into)?.from ?? null,
  }))
}

type Shown = { readonly into: string; readonly from: string; readonly tenant: string | null }

/** By the schema of the views. A version that keeps tenants apart has none in `public`. */
async function shownBy(trx: Transaction<unknown>, version: Version): Promise<ShownBySchema> {
  const places = (await listTenantSchemas(trx, version)).map(
    ({ tenant, schemaName: from, viewSchema: into }): Shown => ({ into, from, tenant }),
  )
  const { rows } = await sql<{ schema: string | null }>`
    select to_regnamespace(${version.schemaName})::text as schema`.execute(trx)
  const common = rows[0]?.schema ?? null
  if (common !== null) places.push({ into: 'public', from: common, tenant: null })
  return new Map(places.map((place) => [place.into, place]))
}
