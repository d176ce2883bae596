import { errorMessage } from '@fairlead/base'
import { classifyPostgresError, postgresErrorCode } from '@fairlead/postgres'
import { type RawBuilder, type Transaction, sql } from 'kysely'
import { createDependent, dependentsOf } from './dependent-views.ts'
import { type KeptView, keptView, restoreView, withOptions } from './kept-view.ts'
import { VersionError } from './versions.ts'

type Column = { readonly name: string; readonly type: string }
type Relation = {
  readonly schema: string
  readonly name: string
  readonly columns: readonly Column[]
  readonly options: readonly string[]
}

/** Sets how long the next statement may wait for its lock. */
export type LimitWait = () => Promise<void>

const DEPENDENT_OBJECTS_STILL_EXIST = '2BP01'

/** Tables of the schema `from`, none where it is null, are shown by views in the schema `into`. */
export type Showing = { readonly from: string | null; readonly into: string }

/**
 * Lets the views in a schema show the tables of another, one view for each, instead of those of
 * `shownBefore`. The schema of the views is made if it is not there. Columns are named: a view of `*` would keep the columns that the table had on the day
 * it was created.
 *
 * A view whose columns stay is replaced in its place. Another one is dropped and created, with all that
 * it had, and with the views that depend on it.
 *
 * @throws {VersionError} DEPENDENT when something depends on a view that cannot be kept, or a view
 *   cannot be replaced since it is somebody else's, or something else has its name.
 */
export async function showTables(
  trx: Transaction<unknown>,
  { from, into }: Showing,
  shownBefore: { readonly from: string | null; readonly limitWait: LimitWait } | null,
): Promise<void> {
  const show = await planShowing(trx, { from, into }, shownBefore?.from ?? null)
  await show(shownBefore?.limitWait ?? (() => Promise.resolve()))
}

/**
 * As {@link showTables}, in two steps: what can be read is read now, and views are taken from their readers
 * by what is returned.
 */
export async function planShowing(
  trx: Transaction<unknown>,
  { from, into }: Showing,
  shownBefore: string | null,
): Promise<(limitWait: LimitWait) => Promise<void>> {
  if (into !== 'public') await sql`create schema if not exists ${sql.id(into)}`.execute(trx)
  const tables = await tablesOf(trx, from)
  const before = (await tablesOf(trx, shownBefore)).map(({ name }) => name)
  const views = before.length === 0 ? [] : await viewsOf(trx, into, before)
  return (limitWait) => showAll(trx, into, { tables, before, views, limitWait })
}

async function showAll(
  trx: Transaction<unknown>,
  into: string,
  of: {
    readonly tables: readonly Relation[]
    /** Names of tables that are shown. */
    readonly before: readonly string[]
    readonly views: readonly Relation[]
    readonly limitWait: LimitWait
  },
): Promise<void> {
  const { tables, before, views, limitWait } = of
  for (const table of tables) {
    const view = views.find(({ name }) => name === table.name)
    await explained(`${into}.${table.name}`, () => showTable(trx, into, { table, view, limitWait }))
  }
  for (const name of before.filter((each) => !tables.some((table) => table.name === each))) {
    await explained(`${into}.${name}`, async () => {
      refuseDependents(name, await dependentsOf(trx, { schema: into, name }))
      await limitWait()
      await sql`drop view if exists ${sql.id(into, name)}`.execute(trx)
    })
  }
}

async function showTable(
  trx: Transaction<unknown>,
  into: string,
  of: {
    readonly table: Relation
    /** What shows the table of this name until now. */
    readonly view: Relation | undefined
    readonly limitWait: LimitWait
  },
): Promise<void> {
  const { table, view, limitWait } = of
  if (view !== undefined && !isExtended(view.columns, table.columns)) {
    await recreateView(trx, into, of)
    return
  }
  await limitWait()
  if (view === undefined) await createView(trx, into, table, [])
  else await replaceView(trx, into, table, view.options)
}

async function createView(
  trx: Transaction<unknown>,
  into: string,
  table: Relation,
  options: readonly string[],
): Promise<void> {
  await sql`create view ${sql.id(into, table.name)} ${withOptions(options)} as
    ${selectOf(table)}`.execute(trx)
}

/** Options that are not named would be reset. */
async function replaceView(
  trx: Transaction<unknown>,
  into: string,
  table: Relation,
  options: readonly string[],
): Promise<void> {
  await sql`create or replace view ${sql.id(into, table.name)} ${withOptions(options)} as
    ${selectOf(table)}`.execute(trx)
}

async function recreateView(
  trx: Transaction<unknown>,
  into: string,
  { table, limitWait }: { readonly table: Relation; readonly limitWait: LimitWait },
): Promise<void> {
  const shown = { schema: into, name: table.name }
  const dependents = await dependentsOf(trx, shown)
  const view = await keptView(trx, shown)
  for (const { name } of [view, ...dependents].toReversed()) {
    await limitWait()
    await sql`drop view ${name}`.execute(trx)
  }
  await limitWait()
  await createView(trx, into, table, view.options)
  await restoreView(
    trx,
    view,
    table.columns.map(({ name }) => name),
  )
  for (const dependent of dependents) {
    await limitWait()
    await createDependent(trx, dependent, table.name)
  }
}

/** What stands in the way of a view is for the operator to decide about. */
async function explained(view: string, show: () => Promise<void>): Promise<void> {
  try {
    await show()
  } catch (error) {
    const isDepended = postgresErrorCode(error) === DEPENDENT_OBJECTS_STILL_EXIST
    if (!isDepended && classifyPostgresError(error) !== 'schema') throw error
    throw new VersionError(
      'DEPENDENT',
      `the view ${view} cannot be shown: ${[errorMessage(error), ...detailOf(error)].join('. ')}`,
    )
  }
}

/** Which function depends on a view, for example. */
function detailOf(error: unknown): readonly string[] {
  const { detail } = error as { readonly detail?: unknown }
  return typeof detail === 'string' ? [detail] : []
}

function refuseDependents(view: string, dependents: readonly KeptView[]): void {
  if (dependents.length === 0) return
  const names = dependents.map(({ label }) => label).join(', ')
  throw new VersionError(
    'DEPENDENT',
    `the version has no table ${view}, and ${names} depends on it: drop it first`,
  )
}

function selectOf({ schema, name, columns }: Relation): RawBuilder<unknown> {
  const selected = sql.join(columns.map((column) => sql.id(column.name)))
  return sql`select ${selected} from ${sql.id(schema, name)}`
}

/** `create or replace view` takes new columns behind the ones there are, and no other change. */
function isExtended(before: readonly Column[], after: readonly Column[]): boolean {
  return before.every(
    ({ name, type }, index) => after[index]?.name === name && after[index].type === type,
  )
}

async function viewsOf(
  trx: Transaction<unknown>,
  schema: string,
  names: readonly string[],
): Promise<readonly Relation[]> {
  return relationsOf(
    trx,
    sql`c.relnamespace = ${schema}::regnamespace
    and c.relname = any(${names}::text[]) and c.relkind = 'v'`,
  )
}

async function tablesOf(
  trx: Transaction<unknown>,
  schema: string | null,
): Promise<readonly Relation[]> {
  if (schema === null) return []
  return relationsOf(
    trx,
    sql`c.relnamespace = ${schema}::regnamespace
    and c.relkind in ('r', 'p')`,
  )
}

async function relationsOf(
  trx: Transaction<unknown>,
  condition: RawBuilder<unknown>,
): Promise<readonly Relation[]> {
  const { rows } = await sql<Relation>`
    select c.relnamespace::regnamespace::text as schema, c.relname as name, coalesce(c.reloptions, '{}') as options, json_agg(json_build_object('name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum) as columns
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where ${condition} and a.attnum > 0 and not a.attisdropped
    group by c.relnamespace, c.relname, c.reloptions order by c.relname`.execute(trx)
  return rows
}
