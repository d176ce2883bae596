import { type RawBuilder, type Transaction, sql } from 'kysely'
import { type DependentView, createDependents, dependentsOf, grantsOf } from './dependent-views.ts'
import { VersionError } from './versions.ts'

type Column = { readonly name: string; readonly type: string }
type Relation = { readonly name: string; readonly columns: readonly Column[] }

/** Sets how long the next statement may wait for its locks. */
export type LimitWait = () => Promise<void>

/**
 * Lets the views in `public` show the tables of a schema, one view for each, instead of those of
 * `shownBefore`. Columns are named: a view of `*` would keep the columns that the table had on the day
 * it was created.
 *
 * A view whose columns stay is replaced in its place. Another one is dropped and created, with the
 * grants it had, and with the views that depend on it.
 *
 * @throws {VersionError} DEPENDENT when something depends on a view that cannot be kept.
 */
export async function showTables(
  trx: Transaction<unknown>,
  schemaName: string,
  shownBefore: { readonly schemaName: string; readonly limitWait: LimitWait } | null,
): Promise<void> {
  const limitWait = shownBefore?.limitWait ?? (() => Promise.resolve())
  const tables = await tablesOf(trx, schemaName)
  const before =
    shownBefore === null
      ? []
      : (await tablesOf(trx, shownBefore.schemaName)).map(({ name }) => name)
  for (const table of tables) {
    const view = before.includes(table.name) ? await viewOf(trx, table.name) : undefined
    await limitWait()
    if (view === undefined) await createView(trx, schemaName, table)
    else if (isExtended(view.columns, table.columns)) await replaceView(trx, schemaName, table)
    else await recreateView(trx, schemaName, table)
  }
  for (const name of before.filter((each) => !tables.some((table) => table.name === each))) {
    await limitWait()
    const dependents = await dependentsOf(trx, name)
    refuseDependents(name, dependents)
    await sql`drop view if exists ${publicName(name)}`.execute(trx)
  }
}

async function createView(
  trx: Transaction<unknown>,
  schemaName: string,
  { name, columns }: Relation,
): Promise<void> {
  await sql`create view ${publicName(name)} as ${selectOf(schemaName, name, columns)}`.execute(trx)
}

async function replaceView(
  trx: Transaction<unknown>,
  schemaName: string,
  { name, columns }: Relation,
): Promise<void> {
  await sql`create or replace view ${publicName(name)} as
    ${selectOf(schemaName, name, columns)}`.execute(trx)
}

async function recreateView(
  trx: Transaction<unknown>,
  schemaName: string,
  table: Relation,
): Promise<void> {
  const dependents = await dependentsOf(trx, table.name)
  const grants = await grantsOf(trx, { schema: 'public', name: table.name })
  for (const { name } of dependents.toReversed()) await sql`drop view ${name}`.execute(trx)
  await sql`drop view ${publicName(table.name)}`.execute(trx)
  await createView(trx, schemaName, table)
  for (const grant of grants) await sql.raw(grant).execute(trx)
  await createDependents(trx, dependents, table.name)
}

function refuseDependents(view: string, dependents: readonly DependentView[]): void {
  if (dependents.length === 0) return
  const names = dependents.map(({ label }) => label).join(', ')
  throw new VersionError(
    'DEPENDENT',
    `the version has no table ${view}, and ${names} depends on it: drop it first`,
  )
}

function selectOf(
  schemaName: string,
  table: string,
  columns: readonly Column[],
): RawBuilder<unknown> {
  const selected = sql.join(columns.map(({ name }) => sql.id(name)))
  return sql`select ${selected} from ${sql.id(schemaName, table)}`
}

function publicName(view: string): RawBuilder<unknown> {
  return sql.id('public', view)
}

/** `create or replace view` takes new columns behind the ones there are, and no other change. */
function isExtended(before: readonly Column[], after: readonly Column[]): boolean {
  return before.every(
    ({ name, type }, index) => after[index]?.name === name && after[index].type === type,
  )
}

async function viewOf(trx: Transaction<unknown>, name: string): Promise<Relation | undefined> {
  const [view] = await relationsOf(
    trx,
    sql`c.relnamespace = 'public'::regnamespace
    and c.relname = ${name} and c.relkind = 'v'`,
  )
  return view
}

function tablesOf(trx: Transaction<unknown>, schemaName: string): Promise<readonly Relation[]> {
  return relationsOf(
    trx,
    sql`c.relnamespace = ${schemaName}::regnamespace
    and c.relkind in ('r', 'p')`,
  )
}

async function relationsOf(
  trx: Transaction<unknown>,
  condition: RawBuilder<unknown>,
): Promise<readonly Relation[]> {
  const { rows } = await sql<Relation>`
    select c.relname as name, json_agg(json_build_object('name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum) as columns
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where ${condition} and a.attnum > 0 and not a.attisdropped
    group by c.relname order by c.relname`.execute(trx)
  return rows
}
