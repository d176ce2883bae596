import { errorMessage } from '@fairlead/base'
import { classifyPostgresError } from '@fairlead/postgres'
import { type RawBuilder, type Transaction, sql } from 'kysely'
import { VersionError } from './versions.ts'

/** A view of a user that reads one of ours, with all that is lost when it is dropped. */
export type DependentView = {
  readonly name: RawBuilder<unknown>
  /** `schema.name`, for people. */
  readonly label: string
  readonly definition: string
  readonly options: readonly string[]
  /** Statements that give the new view what the old one had: owner, grants, comment. */
  readonly restore: readonly string[]
}

/**
 * Views that depend on `public.<view>`, directly or through others, in the order in which they can be
 * created.
 *
 * @throws {VersionError} DEPENDENT for a materialized view, which would have to be filled anew.
 */
export async function dependentsOf(
  trx: Transaction<unknown>,
  view: string,
): Promise<readonly DependentView[]> {
  const { rows } = await sql<DependentRow>`
    with recursive dependent(oid, depth) as (
      select format('public.%I', ${view}::text)::regclass::oid, 0
      union
      select r.ev_class, d.depth + 1
      from dependent d
      join pg_depend e on e.refobjid = d.oid and e.refclassid = 'pg_class'::regclass
        and e.classid = 'pg_rewrite'::regclass
      join pg_rewrite r on r.oid = e.objid
      where r.ev_class <> d.oid
    )
    select n.nspname as schema, c.relname as name, c.relkind as kind,
      pg_get_viewdef(c.oid) as definition, coalesce(c.reloptions, '{}') as options,
      pg_get_userbyid(c.relowner) as owner, obj_description(c.oid, 'pg_class') as comment
    from (select oid, max(depth) as depth from dependent group by oid) d
    join pg_class c on c.oid = d.oid join pg_namespace n on n.oid = c.relnamespace
    where d.depth > 0
    order by d.depth`.execute(trx)
  return Promise.all(rows.map((row) => dependentView(trx, row)))
}

type DependentRow = {
  readonly schema: string
  readonly name: string
  readonly kind: string
  readonly definition: string
  readonly options: readonly string[]
  readonly owner: string
  readonly comment: string | null
}

async function dependentView(trx: Transaction<unknown>, row: DependentRow): Promise<DependentView> {
  const label = `${row.schema}.${row.name}`
  if (row.kind !== 'v') {
    throw new VersionError(
      'DEPENDENT',
      `${label} depends on the view and is no plain view: drop it before the promotion, and create it again after it`,
    )
  }
  const name = sql.id(row.schema, row.name)
  const quoted = name.compile(trx).sql
  const comment = row.comment === null ? [] : [commentOn(quoted, row.comment)]
  const owner = `alter view ${quoted} owner to "${row.owner.replaceAll('"', '""')}"`
  const grants = await grantsOf(trx, row)
  const { definition, options } = row
  return { name, label, definition, options, restore: [owner, ...grants, ...comment] }
}

function commentOn(quoted: string, comment: string): string {
  return `comment on view ${quoted} is '${comment.replaceAll("'", "''")}'`
}

/** @throws {VersionError} DEPENDENT when one reads what is not there any more. */
export async function createDependents(
  trx: Transaction<unknown>,
  dependents: readonly DependentView[],
  view: string,
): Promise<void> {
  for (const { name, label, definition, options, restore } of dependents) {
    const settings = options.length === 0 ? sql`` : sql.raw(`with (${options.join(', ')})`)
    try {
      await sql`create view ${name} ${settings} as ${sql.raw(definition)}`.execute(trx)
    } catch (error) {
      if (classifyPostgresError(error) !== 'schema') throw error
      throw new VersionError(
        'DEPENDENT',
        `${label} depends on ${view}, and cannot be created over the new version: ${errorMessage(error)}. Change or drop it first.`,
      )
    }
    for (const statement of restore) await sql.raw(statement).execute(trx)
  }
}

/** The `grant` statements that bring a relation's privileges about: its owner's apart. */
export async function grantsOf(
  trx: Transaction<unknown>,
  relation: { readonly schema: string; readonly name: string },
): Promise<readonly string[]> {
  const { rows } = await sql<{ statement: string }>`
    select format('grant %s on %s to %s%s', g.privilege_type, c.oid::regclass,
      case when g.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end,
      case when g.is_grantable then ' with grant option' else '' end) as statement
    from pg_class c, aclexplode(c.relacl) g
    where c.oid = format('%I.%I', ${relation.schema}::text, ${relation.name}::text)::regclass and g.grantee <> c.relowner`.execute(
    trx,
  )
  return rows.map(({ statement }) => statement)
}
