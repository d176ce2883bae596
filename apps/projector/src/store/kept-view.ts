import { type RawBuilder, type Transaction, sql } from 'kysely'

/** A view with all that is lost when it is dropped. */
export type KeptView = {
  readonly name: RawBuilder<unknown>
  /** `schema.name`, for people. */
  readonly label: string
  readonly definition: string
  /** As in `security_barrier=true`. */
  readonly options: readonly string[]
  readonly restore: readonly Restoring[]
}

/** A statement that gives a new view what the old one had. */
type Restoring = {
  readonly statement: string
  /** The column that it is about; null for the view as a whole. */
  readonly column: string | null
}

/** The view of a name, which exists. */
export async function keptView(
  trx: Transaction<unknown>,
  of: { readonly schema: string; readonly name: string },
): Promise<KeptView> {
  const oid = sql`format('%I.%I', ${of.schema}::text, ${of.name}::text)::regclass`
  const { rows } = await sql<Pick<KeptView, 'definition' | 'options'>>`
    select pg_get_viewdef(oid) as definition, coalesce(reloptions, '{}') as options
    from pg_class where oid = ${oid}`.execute(trx)
  const [row] = rows
  const { rows: restore } = await restoringStatements(oid).execute(trx)
  return {
    name: sql.id(of.schema, of.name),
    label: `${of.schema}.${of.name}`,
    definition: row?.definition ?? '',
    options: row?.options ?? [],
    restore,
  }
}

/**
 * Owner, privileges of the view and of columns, comments, defaults of columns, triggers and rules. The
 * owner comes first: it is its privileges that others are granted.
 */
function restoringStatements(oid: RawBuilder<unknown>): RawBuilder<Restoring> {
  const view = sql`${oid}::text`
  const grantee = sql`case when g.grantee = 0 then 'public'
      else quote_ident(pg_get_userbyid(g.grantee)) end`
  const option = sql`case when g.is_grantable then ' with grant option' else '' end`
  return sql<Restoring>`
    select statement, "column" from (
      select 0 as step, null::name as "column",
        format('alter view %s owner to %I', ${view}, pg_get_userbyid(relowner)) as statement
      from pg_class where oid = ${oid}
      union all
      select 1, null, format('grant %s on %s to %s%s', g.privilege_type, ${view}, ${grantee}, ${option})
      from pg_class c, aclexplode(c.relacl) g where c.oid = ${oid} and g.grantee <> c.relowner
      union all
      select 1, a.attname,
        format('grant %s (%I) on %s to %s%s', g.privilege_type, a.attname, ${view}, ${grantee}, ${option})
      from pg_attribute a, aclexplode(a.attacl) g
      where a.attrelid = ${oid} and not a.attisdropped
      union all
      select 2, null, format('comment on view %s is %L', ${view}, obj_description(${oid}, 'pg_class'))
      where obj_description(${oid}, 'pg_class') is not null
      union all
      select 2, a.attname, format('comment on column %s.%I is %L', ${view}, a.attname, d.description)
      from pg_description d
      join pg_attribute a on a.attrelid = d.objoid and a.attnum = d.objsubid
      where d.classoid = 'pg_class'::regclass and d.objoid = ${oid} and d.objsubid > 0
      union all
      select 2, a.attname, format('alter view %s alter column %I set default %s', ${view}, a.attname,
        pg_get_expr(d.adbin, d.adrelid))
      from pg_attrdef d
      join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
      where d.adrelid = ${oid}
      union all
      select 3, null, pg_get_triggerdef(oid) from pg_trigger where tgrelid = ${oid} and not tgisinternal
      union all
      select 3, null, pg_get_ruledef(oid) from pg_rewrite
      where ev_class = ${oid} and rulename <> '_RETURN'
    ) restoring
    order by step, statement`
}

/** `with (…)` of a view; nothing without options. */
export function withOptions(options: readonly string[]): RawBuilder<unknown> {
  return options.length === 0 ? sql`` : sql.raw(`with (${options.join(', ')})`)
}

/**
 * Gives a view that was just created what the one before it had, as far as its columns are there still.
 * What default privileges have granted on it meanwhile is taken back.
 */
export async function restoreView(
  trx: Transaction<unknown>,
  { name, restore }: KeptView,
  columns?: readonly string[],
): Promise<void> {
  const { rows } = await sql<{ grantee: string }>`
    select distinct case when g.grantee = 0 then 'public'
      else quote_ident(pg_get_userbyid(g.grantee)) end as grantee
    from pg_class c, aclexplode(c.relacl) g
    where c.oid = ${sql.lit(name.compile(trx).sql)}::regclass and g.grantee <> c.relowner`.execute(
    trx,
  )
  for (const { grantee } of rows) {
    await sql`revoke all on ${name} from ${sql.raw(grantee)}`.execute(trx)
  }
  for (const { statement, column } of restore) {
    const isThere = column === null || columns === undefined || columns.includes(column)
    if (isThere) await sql.raw(statement).execute(trx)
  }
}
