import { createHash } from 'node:crypto'
import { OperationalError } from '@fairlead/base'
import { type Projection, definitionText } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import type { Database } from './database.ts'
import { createTable, tableMismatch } from './columns.ts'
import { type RegisteredProjection, projectionLabel } from './registered-projection.ts'
import { showTables } from './views.ts'

/** A projection may not run here as it is defined. Nobody's retry helps. */
class RegistrationError extends OperationalError {
  override readonly name = 'RegistrationError'

  constructor(message: string) {
    super(message, { code: 'PROJECTION_REFUSED', retryable: false })
  }
}

type VersionRow = { readonly code_hash: Buffer; readonly state: string }

/**
 * Makes a version of a projection known and creates its tables, once. The first version of a
 * projection is live at once: views in `public` show its tables. A later one fills its own tables
 * beside the live version, until it is promoted. Safe when several workers start at once.
 *
 * @throws {RegistrationError} when the version is known with other code, or older than the live one.
 */
export async function registerProjection(
  db: Database,
  projection: Projection,
): Promise<RegisteredProjection> {
  const codeHash = createHash('sha256').update(definitionText(projection)).digest()
  return db.transaction().execute(async (trx) => {
    const { id, live_version } = await projectionRow(trx, projection.name)
    const schemaName = `rm_${projection.name}_v${projection.version}`
    const registered = { projection, projectionId: id, schemaName }

    const { rows } = await sql<VersionRow>`
      select code_hash, state from evt.projection_version
      where projection_id = ${id} and version = ${projection.version}`.execute(trx)
    const [known] = rows
    if (known === undefined) {
      refuseOlderThanLive(projection, live_version)
      await createVersion(trx, registered, { codeHash, isFirst: live_version === null })
    } else if (!known.code_hash.equals(codeHash)) {
      throw new RegistrationError(
        `${projectionLabel(projection)} is registered with other code: rows that two codes wrote cannot be trusted. Give the changed projection version ${projection.version + 1}, or run the code that version ${projection.version} was registered with.`,
      )
    } else await refuseOtherColumns(trx, registered)
    return registered
  })
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

/** Somebody altered the table: rows could not be written whole, or would lose what was added. */
async function refuseOtherColumns(
  trx: Transaction<unknown>,
  { projection, schemaName }: RegisteredProjection,
): Promise<void> {
  if (projection.kind === 'sql') return
  const mismatch = await tableMismatch(trx, projection.table, schemaName)
  if (mismatch === null) return
  throw new RegistrationError(
    `${projectionLabel(projection)}: ${mismatch}. Undo what was altered by hand; a change of columns is a new version`,
  )
}

function refuseOlderThanLive(projection: Projection, liveVersion: number | null): void {
  if (liveVersion === null || projection.version > liveVersion) return
  throw new RegistrationError(
    `${projectionLabel(projection)} is older than version ${liveVersion}, which is live`,
  )
}

async function createVersion(
  trx: Transaction<unknown>,
  { projection, projectionId, schemaName }: RegisteredProjection,
  { codeHash, isFirst }: { readonly codeHash: Buffer; readonly isFirst: boolean },
): Promise<void> {
  await sql`create schema ${sql.id(schemaName)}`.execute(trx)
  // For statements of `migrate` that Kysely does not write, and that name no schema.
  await sql`set local search_path to ${sql.id(schemaName)}, public`.execute(trx)
  switch (projection.kind) {
    case 'fold':
    case 'commutative':
      await createTable(trx, projection.table, schemaName)
      break
    case 'sql':
      await projection.migrate(trx.withSchema(schemaName))
      break
  }
  await sql`
    insert into evt.projection_version (projection_id, version, state, schema_name, code_hash)
    values (${projectionId}, ${projection.version}, ${isFirst ? 'live' : 'catching_up'},
      ${schemaName}, ${codeHash})`.execute(trx)
  if (!isFirst) return
  await showTables(trx, schemaName)
  await sql`
    update evt.projection set live_version = ${projection.version}, promoted_at = clock_timestamp()
    where id = ${projectionId}`.execute(trx)
}
