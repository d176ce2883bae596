import { type Kysely, sql } from 'kysely'
import { RebuildFailed } from './rebuild-failed.ts'

type Place = { readonly schema: string; readonly name: string }

/** Whether policies bind this session. */
export async function hidesRows(db: Kysely<unknown>, { schema, name }: Place): Promise<boolean> {
  const { rows } = await sql<{ isActive: boolean }>`
    select row_security_active(format('%I.%I', ${schema}::text, ${name}::text)) as "isActive"`.execute(
    db,
  )
  return rows[0]?.isActive === true
}

/** @throws {RebuildFailed} for a table of which the session may not see, or write, every row. `consequence`: of that. */
export async function refuseHiddenRows(
  db: Kysely<unknown>,
  { schema, name }: Place,
  consequence: string,
): Promise<void> {
  if (!(await hidesRows(db, { schema, name }))) return
  throw new RebuildFailed(
    `policies of row-level security on ${schema}.${name} bind the projector: ${consequence}. The owner of a table is bound by "force row level security" alone: take that back ("alter table … no force row level security"), or give the role of the projector bypassrls`,
  )
}
