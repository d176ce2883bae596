import { errorMessage } from '@fairlead/base'
import { classifyPostgresError, postgresErrorCode } from '@fairlead/postgres'
import { type RawBuilder, type Transaction, sql } from 'kysely'
import { createDependent, dependentsOf } from './dependent-views.ts'
import { type KeptView, keptView, restoreView, withOptions } from './kept-view.ts'
import { type Column, type Relation, tablesIn, viewsIn } from './relations.ts'
import { VersionError } from './versions.ts'
import type { LimitWait } from './wait-limit.ts'

const DEPENDENT_OBJECTS_STILL_EXIST = '2BP01'

/** Tables of the schema `from`, none where it is null, are shown by views in the schema `into`. */
type Showing = { readonly from: string | null; readonly into: string }

/** What the views are to show, and what they show, if anything. */
export type Place = Showing & { readonly before: string | null }

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
  const show = await planShowing(trx, [{ from, into, before: shownBefore?.from ?? null }])
  await show(shownBefore?.limitWait ?? (() => Promise.resolve()))
}

/**
 * As {@link showTables}, of any number of schemas, and in two steps: what can be read is read now, and views are
 * taken from their readers by what is returned. Those in `shownAnyway` are left as they are.
 */
export async function planShowing(
  trx: Transaction<unknown>,
  places: readonly Place[],
  shownAnyway: ReadonlySet<string> = new Set(),
): Promise<(limitWait: LimitWait) => Promise<void>> {
  await createMissing(trx, places)
  const sources = places.flatMap(({ from, before }) => [from, before])
  const tables = await tablesIn(
    trx,
    sources.filter((schema) => schema !== null),
  )
  const views = await viewsIn(
    trx,
    places.map(({ into }) => into),
  )
  return async (limitWait) => {
    for (const { from, into, before } of places) {
      const names = (tables.get(before ?? '') ?? []).map(({ name }) => name)
      const shown = (views.get(into) ?? []).filter(({ name }) => names.includes(name))
      const toShow = (tables.get(from ?? '') ?? []).filter(
        ({ name }) => !shownAnyway.has(viewLabel({ schema: into, name })),
      )
      // Who has dropped one of them himself is not asked to make it again.
      const gone = shown.filter(
        (view) => !tables.get(from ?? '')?.some(({ name }) => name === view.name),
      )
      await showAll(trx, into, {
        tables: toShow,
        gone: gone.map(({ name }) => name),
        views: shown,
        limitWait,
      })
    }
  }
}

/** `schema.name`. */
export function viewLabel({ schema, name }: Pick<Relation, 'schema' | 'name'>): string {
  return `${schema}.${name}`
}

async function createMissing(trx: Transaction<unknown>, places: readonly Place[]): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select name from unnest(${places.map(({ into }) => into)}::text[]) as place (name)
    where not exists (select from pg_namespace where nspname = name)`.execute(trx)
  for (const { name } of rows) await sql`create schema if not exists ${sql.id(name)}`.execute(trx)
}

async function showAll(
  trx: Transaction<unknown>,
  into: string,
  of: {
    readonly tables: readonly Relation[]
    /** Names of views that show no table any more. */
    readonly gone: readonly string[]
    readonly views: readonly Relation[]
    readonly limitWait: LimitWait
  },
): Promise<void> {
  const { tables, gone, views, limitWait } = of
  for (const table of tables) {
    const view = views.find(({ name }) => name === table.name)
    await explained(`${into}.${table.name}`, () => showTable(trx, into, { table, view, limitWait }))
  }
  for (const name of gone) {
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
  else await replaceStatement(into, table, view.options).execute(trx)
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

/** In its place. Options that are not named would be reset. */
export function replaceStatement(
  into: string,
  table: Relation,
  options: readonly string[],
): RawBuilder<unknown> {
  return sql`create or replace view ${sql.id(into, table.name)} ${withOptions(options)} as
    ${selectOf(table)}`
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
export async function explained<T>(view: string, show: () => Promise<T>): Promise<T> {
  try {
    return await show()
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
export function isExtended(before: readonly Column[], after: readonly Column[]): boolean {
  return before.every(
    ({ name, type }, index) => after[index]?.name === name && after[index].type === type,
  )
}
