import { errorMessage } from '@fairlead/base'
import { classifyPostgresError } from '@fairlead/postgres'
import { type Transaction, sql } from 'kysely'
import { type KeptView, keptView, restoreView, withOptions } from './kept-view.ts'
import { VersionError } from './versions.ts'

/**
 * Views of users that depend on a view, directly or through others, in the order in which they
 * can be created.
 *
 * @throws {VersionError} DEPENDENT for a materialized view, which would have to be filled anew.
 */
export async function dependentsOf(
  trx: Transaction<unknown>,
  view: { readonly schema: string; readonly name: string },
): Promise<readonly KeptView[]> {
  const { rows } = await sql<DependentRow>`
    with recursive dependent(oid, depth) as (
      select format('%I.%I', ${view.schema}::text, ${view.name}::text)::regclass::oid, 0
      union
      select r.ev_class, d.depth + 1
      from dependent d
      join pg_depend e on e.refobjid = d.oid and e.refclassid = 'pg_class'::regclass
        and e.classid = 'pg_rewrite'::regclass
      join pg_rewrite r on r.oid = e.objid
      where r.ev_class <> d.oid
    )
    select n.nspname as schema, c.relname as name, c.relkind as kind
    from (select oid, max(depth) as depth from dependent group by oid) d
    join pg_class c on c.oid = d.oid join pg_namespace n on n.oid = c.relnamespace
    where d.depth > 0
    order by d.depth`.execute(trx)
  for (const row of rows) refuseOther(row)
  return Promise.all(rows.map((row) => keptView(trx, row)))
}

type DependentRow = { readonly schema: string; readonly name: string; readonly kind: string }

function refuseOther({ schema, name, kind }: DependentRow): void {
  if (kind === 'v') return
  throw new VersionError(
    'DEPENDENT',
    `${schema}.${name} depends on the view and is no plain view: drop it before the promotion, and create it again after it`,
  )
}

/** @throws {VersionError} DEPENDENT when one reads what is not there any more. */
export async function createDependent(
  trx: Transaction<unknown>,
  dependent: KeptView,
  view: string,
): Promise<void> {
  const { name, label, definition, options } = dependent
  try {
    await sql`create view ${name} ${withOptions(options)} as ${sql.raw(definition)}`.execute(trx)
    await restoreView(trx, dependent)
  } catch (error) {
    if (classifyPostgresError(error) !== 'schema') throw error
    throw new VersionError(
      'DEPENDENT',
      `${label} depends on ${view}, and cannot be created over the new version: ${errorMessage(error)}. Change or drop it first.`,
    )
  }
}
