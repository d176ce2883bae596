import { createHash } from 'node:crypto'
import { OperationalError } from '@fairlead/base'
import { type Projection, definitionText } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { tableMismatch } from './columns.ts'
import type { Database } from './database.ts'
import { type JobRequest, requestJob } from './jobs.ts'
import { projectionLabel } from '../projection-label.ts'
import { type RegisteredProjection, type TenantScope, versionOf } from './registered-projection.ts'
import { createTables, createTenants } from './version-tables.ts'
import { type VersionState, isRunning, lockVersion } from './versions.ts'
import { listTenantSchemas } from './tenant-schemas.ts'
import { showTables } from './views.ts'

/** A projection may not run here as it is defined. Nobody's retry helps. */
class RegistrationError extends OperationalError {
  override readonly name = 'RegistrationError'

  constructor(message: string) {
    super(message, { code: 'PROJECTION_REFUSED', retryable: false })
  }
}

/** Only that it is run is wrong: its tables are gone. */
export class RetiredError extends OperationalError {
  override readonly name = 'RetiredError'

  constructor(message: string) {
    super(message, { code: 'PROJECTION_RETIRED', retryable: false })
  }
}

type VersionRow = {
  readonly code_hash: Buffer
  readonly state: VersionState
  readonly tenants: readonly string[] | null
}

/**
 * Makes a version of a projection known, once. The first version of a projection gets its tables and
 * is live at once: views in `public` show them. A later one is rebuilt beside the live version, and
 * shown when it is promoted. Safe when several workers start at once.
 *
 * @throws {RegistrationError} when the version is known with other code or for other tenants, or is older
 *   than the live one without being known. {RetiredError} when it was retired.
 */
export async function registerProjection(
  db: Database,
  projection: Projection,
  scope: TenantScope = {},
): Promise<RegisteredProjection> {
  const codeHash = createHash('sha256').update(definitionText(projection)).digest()
  const { registered, isFirst } = await db.transaction().execute(async (trx) => {
    const { id, live_version } = await projectionRow(trx, projection.name)
    const schemaName = `rm_${projection.name}_v${projection.version}`
    const registered: RegisteredProjection = { projection, projectionId: id, schemaName, ...scope }

    const { rows } = await sql<VersionRow>`
      select code_hash, state, tenants from evt.projection_version
      where projection_id = ${id} and version = ${projection.version}`.execute(trx)
    const [known] = rows
    if (known !== undefined) {
      refuseChanged(projection, { known, codeHash })
      refuseOtherTenants(projection, known, scope)
      await noteKind(trx, registered)
      if (isRunning(known.state)) await refuseOtherColumns(trx, registered)
    } else if (live_version === null) {
      await createFirst(trx, registered, codeHash)
    } else {
      refuseOlderThanLive(projection, live_version)
      await insertVersion(trx, registered, { codeHash, state: 'building' })
      await requestJob(trx, {
        projectionId: id,
        version: projection.version,
        kind: 'rebuild',
        request: {},
      })
    }
    return { registered, isFirst: known === undefined && live_version === null }
  })
  if (isFirst) await createTenants(db, registered, (trx) => lockVersion(trx, projection))
  return registered
}

/** The row of the projection, locked until the transaction ends. */
async function projectionRow(
  trx: Transaction<unknown>,
  name: string,
): Promise<{ readonly id: number; readonly live_version: number | null }> {
  await sql`insert into evt.projection (name) values (${name}) on conflict do nothing`.execute(trx)
  const { rows } = await sql<{ id: number; live_version: number | null }>`
    select id, live_version from evt.projection where name = ${name} for update`.execute(trx)
  return rows[0] as { id: number; live_version: number | null }
}

function refuseChanged(
  projection: Projection,
  { known, codeHash }: { readonly known: VersionRow; readonly codeHash: Buffer },
): void {
  const label = projectionLabel(projection)
  if (known.state === 'retired') {
    throw new RetiredError(
      `${label} is retired: its tables are gone. Remove it from the projections, or give it a new version.`,
    )
  }
  if (known.code_hash.equals(codeHash)) return
  throw new RegistrationError(
    `${label} is registered with other code: rows that two codes wrote cannot be trusted. Give the changed projection version ${projection.version + 1}, or run the code that version ${projection.version} was registered with.`,
  )
}

/** What it passed over of a tenant is not read again, and what it has of one would not go on. */
function refuseOtherTenants(
  projection: Projection,
  { tenants: stored }: VersionRow,
  { includedTenants }: TenantScope,
): void {
  if (tenantsText(stored) === tenantsText(includedTenants)) return
  throw new RegistrationError(
    `${projectionLabel(projection)} takes in the events of ${tenantsText(stored)}, and tenants.include names ${tenantsText(includedTenants)}: its rows would lack events. Give the projection version ${projection.version + 1}`,
  )
}

function tenantsText(tenants: readonly string[] | null | undefined): string {
  return tenants === null || tenants === undefined ? 'all tenants' : tenants.toSorted().join(', ')
}

/** Somebody altered the table: rows could not be written whole, or would lose what was added. */
async function refuseOtherColumns(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
): Promise<void> {
  const { projection, schemaName } = registered
  if (projection.kind === 'sql') return
  const schemas =
    projection.tenants === 'schema'
      ? (await listTenantSchemas(trx, versionOf(registered))).map((each) => each.schemaName)
      : [schemaName]
  for (const schema of schemas) {
    const mismatch = await tableMismatch(trx, projection.table, schema)
    if (mismatch === null) continue
    throw new RegistrationError(
      `${projectionLabel(projection)}: ${mismatch}. Undo what was altered by hand; a change of columns is a new version`,
    )
  }
}

function refuseOlderThanLive(projection: Projection, liveVersion: number): void {
  if (projection.version > liveVersion) return
  throw new RegistrationError(
    `${projectionLabel(projection)} is older than version ${liveVersion}, which is live`,
  )
}

async function createFirst(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
  codeHash: Buffer,
): Promise<void> {
  const { projection, projectionId, schemaName } = registered
  await insertVersion(trx, registered, { codeHash, state: 'live' })
  await createTables(trx, registered, { isBulk: false })
  // Those of tenants are shown as they are made.
  if (projection.tenants !== 'schema') {
    await showTables(trx, { from: schemaName, into: 'public' }, null)
  }
  await sql`
    update evt.projection set live_version = ${projection.version}, promoted_at = clock_timestamp()
    where id = ${projectionId}`.execute(trx)
}

async function insertVersion(
  trx: Transaction<unknown>,
  { projection, projectionId, schemaName, includedTenants }: RegisteredProjection,
  { codeHash, state }: { readonly codeHash: Buffer; readonly state: VersionState },
): Promise<void> {
  await sql`
    insert into evt.projection_version
      (projection_id, version, state, kind, schema_name, code_hash, tenants)
    values (${projectionId}, ${projection.version}, ${state}, ${projection.kind}, ${schemaName},
      ${codeHash}, ${includedTenants === undefined ? null : JSON.stringify(includedTenants)})`.execute(
    trx,
  )
}

/** Of a version that was registered before its kind was noted. */
async function noteKind(
  trx: Transaction<unknown>,
  { projection, projectionId }: RegisteredProjection,
): Promise<void> {
  await sql`
    update evt.projection_version set kind = ${projection.kind}
    where projection_id = ${projectionId} and version = ${projection.version}
      and kind is null`.execute(trx)
}

/**
 * Makes room for a throw-away version: the projection as it was at a moment, under a number below 0.
 * Nothing ever follows the log for it, and it cannot be promoted; `retire` removes it.
 */
export async function registerMoment(
  db: Database,
  { projectionId, projection }: RegisteredProjection,
  request: JobRequest,
): Promise<{ readonly version: number; readonly schemaName: string; readonly jobId: bigint }> {
  return db.transaction().execute(async (trx) => {
    await projectionRow(trx, projection.name)
    const { rows } = await sql<{ lowest: number }>`
      select least(min(version), 0) as lowest from evt.projection_version
      where projection_id = ${projectionId}`.execute(trx)
    const version = (rows[0]?.lowest ?? 0) - 1
    const schemaName = momentSchema(projection.name, version)
    await sql`
      insert into evt.projection_version
        (projection_id, version, code_version, state, kind, schema_name, code_hash, tenants)
      select projection_id, ${version}::int, version, 'building', kind, ${schemaName}::text,
        code_hash, tenants
      from evt.projection_version
      where projection_id = ${projectionId} and version = ${projection.version}`.execute(trx)
    const jobId = await requestJob(trx, { projectionId, version, kind: 'rebuild', request })
    return { version, schemaName, jobId }
  })
}

/** Of a version below 0. */
export function momentSchema(name: string, version: number): string {
  return `rm_${name}_at_${-version}`
}
