import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BackoffPolicy, backoffDelayMs } from '@fairlead/base'
import { type Kysely, type RawBuilder, type Transaction, sql } from 'kysely'
import type { Database } from './database.ts'
import { isHeld } from './held-locks.ts'
import { withOptions } from './kept-view.ts'
import { type Column, type Relation, tablesIn, viewsIn } from './relations.ts'
import { placesSoFar } from './version-places.ts'
import { type Version, VersionError, isRunning, readVersion } from './versions.ts'
import { type Place, explained, isExtended, replaceStatement, viewLabel } from './views.ts'
import { waitLimit } from './wait-limit.ts'

/** Readers of views that one transaction replaces wait for no longer than this, for its locks and statements. */
const STEP_TIMEOUT_MS = 500
/** Of it: what is left is for views that are free once the reader of one waits. One that takes longer has all of it the next time. */
const FIRST_WAIT_MS = 300
/** For views that a promotion has left, which is rare. */
const RELEASE_TIMEOUT_MS = 5_000
/** What an attempt of another promotion takes. */
const SWAP_TIMEOUT_MS = 8_000
/** For a view that nobody held a moment ago. */
const FREE_TIMEOUT_MS = 20
/** A reader that holds its view for minutes is let through between two attempts. */
const LOCK_BACKOFF: BackoffPolicy = { baseMs: 50, maxMs: 1_000 }

/** A view that is to be replaced in its place, whoever reads the others. */
type Step = {
  readonly view: Relation
  /** Without parameters. */
  readonly statement: RawBuilder<unknown>
}

/** Somebody else held a view for too long. */
export class ViewsHeld extends Error {
  override readonly name = 'ViewsHeld'
  /** How many views are as they were. */
  readonly leftCount: number

  constructor(view: Relation, leftCount: number) {
    super(`the view ${viewLabel(view)} was held by others, one of ${leftCount} that are left`)
    this.leftCount = leftCount
  }
}

/**
 * Lets the views of tenants read the tables of two versions: those of the one that is live, whichever it is when a
 * statement begins. A swap then changes one row, and needs no lock of these views. They are replaced some at a
 * time, and readers wait for those alone; a view that is held is tried again.
 *
 * Nothing is done any more once the target is being filled anew, or gone: its tables would take the views with them.
 *
 * Left as they are: views whose columns the other version does not have, since none can show both; those with
 * `security_invoker`, whose readers may not read which version is live; those with `check_option`, which a view of
 * two tables cannot have; and those of an owner who may not read which version is live, or the tables of the other.
 *
 * @throws {ViewsHeld} when a view was held for all of the time.
 */
export async function bridgeViews(
  db: Database,
  versions: { readonly live: Version; readonly target: Version },
  deadlineMs: number,
): Promise<void> {
  const steps = await db.transaction().execute((trx) => bridgingSteps(trx, versions))
  // One view alone is taken from its readers for as long by the swap itself.
  if (steps.length > 1) await replaceAll(db, versions, steps, deadlineMs)
}

/**
 * Lets views that read the tables of several versions show those of the live one alone: after a swap, and
 * after one that did not come about.
 *
 * @throws {ViewsHeld} when a view was held for all of the time. It shows the live version nevertheless.
 */
export async function settleViews(db: Database, name: string, deadlineMs: number): Promise<void> {
  const { live, steps } = await db.transaction().execute((trx) => settlingSteps(trx, name))
  if (live !== null) await replaceAll(db, { live, target: live }, steps, deadlineMs)
}

/**
 * Before the tables of a version go: a view that reads them beside those of the live one would go with them.
 *
 * @throws {VersionError} LOCKED when such a view is held by others.
 */
export async function releaseTables(db: Database, name: string): Promise<void> {
  try {
    await settleViews(db, name, performance.now() + RELEASE_TIMEOUT_MS)
  } catch (error) {
    if (error instanceof ViewsHeld) throw new VersionError('LOCKED', explainHeld(name))
    throw error
  }
}

/**
 * For a transaction that holds the row of the projection: what {@link releaseTables} has done still holds.
 *
 * @throws {VersionError} LOCKED when a promotion has begun meanwhile.
 */
export async function refuseShown(trx: Transaction<unknown>, version: Version): Promise<void> {
  const isLive = version.version === version.liveVersion
  if (isLive || (await readersOf(trx, version)).size === 0) return
  throw new VersionError('LOCKED', explainHeld(version.name))
}

function explainHeld(name: string): string {
  return `views of ${name} still read two versions, as a promotion is under way or others hold them: look for long transactions in pg_stat_activity, and try again`
}

/** Names, as of {@link viewLabel}, of views that read tables of both versions: none outside of schemas of tenants. */
export async function bridgedViews(
  db: Kysely<unknown>,
  versions: { readonly live: Version; readonly target: Version },
  places: readonly Place[],
): Promise<ReadonlySet<string>> {
  if (!places.some(isOfTenant)) return new Set()
  const ofLive = await readersOf(db, versions.live)
  const ofTarget = await readersOf(db, versions.target)
  return new Set([...ofTarget].filter((label) => ofLive.has(label)))
}

/** Names of views in the schemas of tenants that read the tables of a version. */
async function readersOf(
  db: Kysely<unknown>,
  { projectionId, version }: Pick<Version, 'projectionId' | 'version'>,
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ schema: string; name: string }>`
    select distinct t.schema_name as schema, v.relname as name
    from evt.tenant_schema s join evt.tenant t on t.id = s.tenant_id
    join pg_namespace n on n.nspname = s.schema_name
    join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
    join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid
      and d.classid = 'pg_rewrite'::regclass
    join pg_rewrite r on r.oid = d.objid
    join pg_class v on v.oid = r.ev_class and v.relkind = 'v' and v.relname = c.relname
    join pg_namespace shown on shown.oid = v.relnamespace and shown.nspname = t.schema_name
    where s.projection_id = ${projectionId} and s.version = ${version}`.execute(db)
  return new Set(rows.map((row) => viewLabel(row)))
}

async function bridgingSteps(
  trx: Transaction<unknown>,
  versions: { readonly live: Version; readonly target: Version },
): Promise<readonly Step[]> {
  const { live, target } = versions
  const places = (await placesSoFar(trx, versions)).filter(isOfTenant)
  const tables = await tablesIn(
    trx,
    places.flatMap(({ from, before }) => [from, before]),
  )
  const views = await viewsIn(
    trx,
    places.map(({ into }) => into),
  )
  const readable = await readableByOwners(trx, places)
  const bridged = await bridgedViews(trx, versions, places)
  return places.flatMap(({ into, from, before }) =>
    (views.get(into) ?? []).flatMap((view): Step[] => {
      const [shown, next] = [before, from].map((schema) =>
        tables.get(schema)?.find(({ name }) => name === view.name),
      )
      if (shown === undefined || next === undefined) return []
      const label = viewLabel(view)
      const isReadable = readable.has(label) && mayReadTwo(view)
      if (!isReadable || bridged.has(label) || !showsBoth(view, shown, next)) return []
      const arms = [
        { table: shown, version: live.version },
        { table: next, version: target.version },
      ]
      return [{ view, statement: bridgeStatement(view, live.projectionId, arms) }]
    }),
  )
}

type TenantPlace = Place & { readonly from: string; readonly before: string }

function isOfTenant(place: Place): place is TenantPlace {
  return place.into !== 'public' && place.from !== null && place.before !== null
}

/** All columns that the view has now, in both tables, of which the next one only adds some at the end. */
function showsBoth(view: Relation, shown: Relation, next: Relation): boolean {
  return hasAll(shown, view.columns) && isExtended(view.columns, next.columns)
}

function hasAll({ columns }: Relation, wanted: readonly Column[]): boolean {
  return wanted.every((column) =>
    columns.some(({ name, type }) => name === column.name && type === column.type),
  )
}

/** Options are as somebody wrote them: `t`, `yes` or `1`, too. */
function mayReadTwo({ options }: Relation): boolean {
  return !options.some((option) => /^(security_invoker=(?!f|n|of|0)|check_option=)/i.test(option))
}

/** Views read with the rights of their owners. */
async function readableByOwners(
  trx: Transaction<unknown>,
  places: readonly TenantPlace[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ schema: string; name: string }>`
    select n.nspname as schema, c.relname as name
    from unnest(${places.map(({ into }) => into)}::text[],
      ${places.map(({ from }) => from)}::text[]) as place ("into", "from")
    join pg_namespace n on n.nspname = place."into"
    join pg_namespace f on f.nspname = place."from"
    join pg_class c on c.relnamespace = n.oid and c.relkind = 'v'
    join pg_class t on t.relnamespace = f.oid and t.relkind in ('r', 'p') and t.relname = c.relname
    where has_schema_privilege(c.relowner, 'evt', 'usage')
      and has_table_privilege(c.relowner, 'evt.projection', 'select')
      and has_schema_privilege(c.relowner, f.oid, 'usage')
      and has_table_privilege(c.relowner, t.oid, 'select')`.execute(trx)
  return new Set(rows.map((row) => viewLabel(row)))
}

/** Only the table of the live version is read: the condition is one of the statement, not of rows. */
function bridgeStatement(
  { schema, name, columns, options }: Relation,
  projectionId: number,
  arms: readonly { readonly table: Relation; readonly version: number }[],
): RawBuilder<unknown> {
  const selected = sql.join(columns.map((column) => sql.id(column.name)))
  const selects = arms.map(
    ({ table, version }): RawBuilder<unknown> => sql`
      select ${selected} from ${sql.id(table.schema, table.name)}
      where (select live_version from evt.projection where id = ${sql.lit(projectionId)})
        = ${sql.lit(version)}`,
  )
  return sql`create or replace view ${sql.id(schema, name)} ${withOptions(options)} as
    ${sql.join(selects, sql` union all `)}`
}

async function settlingSteps(
  trx: Transaction<unknown>,
  name: string,
): Promise<{ readonly live: Version | null; readonly steps: readonly Step[] }> {
  const { rows } = await sql<{ version: number; isLive: boolean }>`
    select v.version, v.version = p.live_version as "isLive"
    from evt.projection p join evt.projection_version v on v.projection_id = p.id
    where p.name = ${name} and exists (
      select from evt.tenant_schema s where (s.projection_id, s.version) = (p.id, v.version))
    order by v.version`.execute(trx)
  const liveVersion = rows.find(({ isLive }) => isLive)?.version
  if (liveVersion === undefined || rows.length < 2) return { live: null, steps: [] }
  const live = await readVersion(trx, { name, version: liveVersion })
  const { projectionId } = live
  const left = new Set<string>()
  for (const { version } of rows.filter(({ isLive }) => !isLive)) {
    for (const label of await readersOf(trx, { projectionId, version })) left.add(label)
  }
  if (left.size === 0) return { live, steps: [] }
  const places = (await placesSoFar(trx, { live, target: live })).filter(isOfTenant)
  const tables = await tablesIn(
    trx,
    places.map(({ from }) => from),
  )
  const views = await viewsIn(
    trx,
    places.map(({ into }) => into),
  )
  const steps = places.flatMap(({ into, from }) =>
    (views.get(into) ?? []).flatMap((view): Step[] => {
      const table = tables.get(from)?.find((each) => each.name === view.name)
      if (table === undefined || !left.has(viewLabel(view))) return []
      return [{ view, statement: replaceStatement(into, table, view.options) }]
    }),
  )
  return { live, steps }
}

/** In as many transactions as it takes, each of which readers wait for {@link STEP_TIMEOUT_MS} at most. */
async function replaceAll(
  db: Database,
  versions: { readonly live: Version; readonly target: Version },
  steps: readonly Step[],
  deadlineMs: number,
): Promise<void> {
  let left = steps
  const stuckBefore = new Set<Step>()
  for (let failures = 0; left.length > 0; ) {
    const replaced = await db
      .transaction()
      .execute((trx) => replaceSome(trx, versions, { steps: left, stuckBefore }))
    if (replaced === null) return
    const { done, stuck } = replaced
    left = left.filter((step) => !done.has(step))
    if (stuck === undefined) continue
    stuckBefore.add(stuck)
    const leftMs = deadlineMs - performance.now()
    if (leftMs <= 0) throw new ViewsHeld(stuck.view, left.length)
    // Another one has all of the time when it is the first that is waited for.
    left = [...left.filter((step) => step !== stuck), stuck]
    failures = done.size > 0 ? 0 : failures + 1
    if (failures === 0) continue
    const delayMs = backoffDelayMs(failures, LOCK_BACKOFF, { int: (bound) => randomInt(bound) })
    await sleep(Math.min(delayMs, leftMs))
  }
}

type Replaced = {
  readonly done: ReadonlySet<Step>
  /** One that somebody has held until the time was over. */
  readonly stuck: Step | undefined
}

/**
 * First the views that nobody holds, and then one that somebody does: who has read it waits for it the next
 * time, and others that he reads are free. Null when another version has become live, or the target does not follow
 * the log any more: the views are to show something else.
 */
async function replaceSome(
  trx: Transaction<unknown>,
  { live, target }: { readonly live: Version; readonly target: Version },
  {
    steps,
    stuckBefore,
  }: { readonly steps: readonly Step[]; readonly stuckBefore: ReadonlySet<Step> },
): Promise<Replaced | null> {
  const liveVersion = await keepLive(trx, live.projectionId)
  const [first] = steps
  if (liveVersion === undefined && first !== undefined) return { done: new Set(), stuck: first }
  if (liveVersion !== live.version) return null
  // Who orders that it be filled anew, or retires it, waits for this transaction, and looks for such views then.
  if (!isRunning((await readVersion(trx, target)).state)) return null
  const endMs = performance.now() + STEP_TIMEOUT_MS
  const done = new Set<Step>()
  while (done.size < steps.length && performance.now() < endMs) {
    const left = steps.filter((step) => !done.has(step))
    const held = await heldViews(trx, left)
    const free = left.filter(({ view }) => !held.has(viewLabel(view)))
    for (const step of free) {
      if (performance.now() >= endMs) break
      if (await replaceIfFree(trx, step, FREE_TIMEOUT_MS)) done.add(step)
    }
    const [stuck] = left.filter((step) => !done.has(step))
    if (free.length > 0 || stuck === undefined) continue
    const leftMs = endMs - performance.now()
    const waitMs = stuckBefore.has(stuck) ? leftMs : Math.min(leftMs, FIRST_WAIT_MS)
    if (!(await replaceIfFree(trx, stuck, waitMs))) return { done, stuck }
    done.add(stuck)
  }
  return { done, stuck: done.size > 0 ? undefined : first }
}

/** The version that is live, until the transaction ends; undefined when another promotion does not let go of it. */
async function keepLive(
  trx: Transaction<unknown>,
  projectionId: number,
): Promise<number | undefined> {
  // No reader waits yet.
  await waitLimit(trx, SWAP_TIMEOUT_MS)()
  try {
    const { rows } = await sql<{ live_version: number }>`
      select live_version from evt.projection where id = ${projectionId} for share`.execute(trx)
    return rows[0]?.live_version
  } catch (error) {
    if (isHeld(error)) return undefined
    throw error
  }
}

/** Views that other transactions have read. */
async function heldViews(
  trx: Transaction<unknown>,
  steps: readonly Step[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ schema: string; name: string }>`
    select distinct n.nspname as schema, c.relname as name
    from unnest(${steps.map(({ view }) => view.schema)}::text[],
      ${steps.map(({ view }) => view.name)}::text[]) as step (schema, name)
    join pg_namespace n on n.nspname = step.schema
    join pg_class c on c.relnamespace = n.oid and c.relname = step.name
    join pg_locks l on l.locktype = 'relation' and l.relation = c.oid and l.pid <> pg_backend_pid()
      and l.database = (select oid from pg_database where datname = current_database())`.execute(
    trx,
  )
  return new Set(rows.map((row) => viewLabel(row)))
}

/** False when it was held for all of the time. In one round trip: readers of the views before wait for it. */
async function replaceIfFree(
  trx: Transaction<unknown>,
  { view, statement }: Step,
  timeoutMs: number,
): Promise<boolean> {
  const limitMs = Math.max(1, Math.round(timeoutMs))
  const statements = `savepoint step; set local lock_timeout = ${limitMs};
    ${statement.compile(trx).sql}; release savepoint step`
  try {
    await explained(viewLabel(view), () => sql.raw(statements).execute(trx))
    return true
  } catch (error) {
    if (!isHeld(error)) throw error
    await sql`rollback to savepoint step`.execute(trx)
    return false
  }
}
