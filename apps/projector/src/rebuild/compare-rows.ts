import {
  type CommutativeProjection,
  type FoldProjection,
  type PreparedRecord,
  type Row,
  foldOfChanges,
  unitOf,
} from '@fairlead/projection'
import { type RawBuilder, type Transaction, sql } from 'kysely'
import { readCheckpoints } from '../store/checkpoints.ts'
import { columnType } from '../store/column-type.ts'
import { inTransaction } from '../store/database.ts'
import { FoldTable } from '../store/fold-table.ts'
import { type RegisteredProjection, versionOf } from '../store/registered-projection.ts'
import { expectRunning } from '../store/versions.ts'
import { JobReporter } from './job-progress.ts'
import { KeyCount } from './key-count.ts'
import { KeyFold } from './key-fold.ts'
import { KeySample } from './key-sample.ts'
import { KeyTexts } from './key-texts.ts'
import { refuseOtherHistory } from './history.ts'
import { LogReading } from './log-reading.ts'
import type { RebuildOptions } from './rebuild-version.ts'
import { hidesRows, refuseHiddenRows } from './row-security.ts'
import { copyStatement, copyText } from './row-text.ts'
import { type TenantRows, rowsByTenant } from './tenant-rows.ts'
import type { Verification } from './verify-version.ts'

const SAMPLE_DEFAULT = 100
/** Rows as the log has them. */
const STAGE = 'pg_temp.verify_stage'
/** Keys of each kind of difference that are named. */
const NAMED_MAX = 10

/**
 * Folds some keys from the log once more, and compares them with the rows of the version: half of them
 * are drawn from the table, half from the log, so that rows are found that only one of the two has.
 */
export async function compareRows(
  options: RebuildOptions,
  compared: FoldProjection | CommutativeProjection,
): Promise<Verification> {
  const { registered, db, job, nowMs, session, memoryBytesMax } = options
  const projection = compared.kind === 'fold' ? compared : foldOfChanges(compared)
  const columns = comparedColumns(compared)
  await refuseOtherHistory(
    options,
    'what the rows should be is not known. If they were made without these events too, accept it (acceptMissingHistory)',
  )
  const ends = await readCheckpoints(session.db, versionOf(registered))
  const total = ends.reduce((sum, { progress }) => sum + progress.nextOffset, 0)
  const half = Math.ceil((job.request.sample ?? SAMPLE_DEFAULT) / 2)
  const drawn = new Map<string, DrawnRows>()
  const tenants = await rowsByTenant(options)
  for (const of of tenants) {
    const logKeys = new KeyCount({ bytesMax: memoryBytesMax / tenants.length })
    drawn.set(of.tenant ?? EVERY_TENANT, await drawRows(of, projection, { half, logKeys }))
  }
  const reading = new LogReading(options, async (records, parkedKeys) => {
    const tenantOf = ({ tenant }: PreparedRecord): string =>
      drawn.has(EVERY_TENANT) ? EVERY_TENANT : tenant
    for (const [tenant, ofTenant] of Map.groupBy(records, tenantOf)) {
      await drawn.get(tenant)?.fold.take(ofTenant, parkedKeys)
    }
  })
  const parked = (): number =>
    [...drawn.values()].reduce((count, { fold }) => count + fold.failing.size, 0)
  const reporter = new JobReporter({ db, jobId: job.id, nowMs, parked })
  try {
    await reporter.enter('reading', () => Promise.resolve({ done: reading.readCount, total }))
    await reading.readTo(ends)
    // Rows and checkpoints of one moment, and the log up to it.
    return await inTransaction(session.db, async (trx) => {
      await sql`set transaction isolation level repeatable read`.execute(trx)
      await expectRunning(trx, registered)
      await reading.readTo(await readCheckpoints(trx, versionOf(registered)))
      const each: Verification[] = []
      const [first] = drawn.values()
      if (first !== undefined) await createStage(trx, projection, first)
      for (const rows of drawn.values()) each.push(await compare(trx, projection, columns, rows))
      return summed(each)
    })
  } finally {
    await reporter.stop()
  }
}

/** In which order fractions are added decides about the last digits of their sum. */
function comparedColumns(projection: FoldProjection | CommutativeProjection): readonly string[] {
  const columns = Object.keys(projection.table.columns)
  if (projection.kind === 'fold') return columns
  return columns.filter((column) => {
    const isSum = projection.operations[column] === 'inc'
    return !isSum || columnType(projection.table, column) !== 'double precision'
  })
}

/** A name that no tenant has: events of none are left out where each has rows of his own. */
const EVERY_TENANT = ''

/** Keys that are compared of the rows of one tenant, or of all, and what the log says of them. */
type DrawnRows = TenantRows & {
  readonly fold: KeyFold
  readonly tableKeys: readonly string[]
  /** Of all rows that the log has an event of. */
  readonly logKeys: KeyCount
}

async function drawRows(
  { options, tenant }: TenantRows,
  projection: FoldProjection,
  { half, logKeys }: { readonly half: number; readonly logKeys: KeyCount },
): Promise<DrawnRows> {
  const { schemaName: schema } = options.registered
  const { name } = projection.table
  await refuseHiddenRows(
    options.session.db,
    { schema, name },
    'rows that are there would be missing',
  )
  const tableKeys = await drawFromTable(projection, options, half)
  const drop = (keyText: string): void => fold.forget(keyText)
  const sample = new KeySample({ known: tableKeys, logKeysMax: half, drop })
  const wants = (keyText: string): boolean => {
    logKeys.add(keyText)
    return sample.wants(keyText)
  }
  const fold = new KeyFold({ ...options, projection, wants })
  return { options, tenant, fold, tableKeys, logKeys }
}

/** Of several tenants, each of whose keys has its name in front. */
function summed(found: readonly Verification[]): Verification {
  const sum = (count: (of: Verification) => number): number =>
    found.reduce((total, each) => total + count(each), 0)
  const keys = (of: (each: Verification) => readonly string[]): readonly string[] =>
    found.flatMap(of).slice(0, NAMED_MAX)
  return {
    isEqual: found.every(({ isEqual }) => isEqual),
    rowCount: sum(({ rowCount }) => rowCount),
    liveRowCount: sumOrNull(found.map(({ liveRowCount }) => liveRowCount)),
    logKeyCount: sumOrNull(found.map(({ logKeyCount }) => logKeyCount)),
    comparedKeys: sum(({ comparedKeys }) => comparedKeys),
    failingKeys: sum(({ failingKeys }) => failingKeys),
    missing: keys(({ missing }) => missing),
    surplus: keys(({ surplus }) => surplus),
    different: keys(({ different }) => different),
  }
}

function sumOrNull(counts: readonly (number | null)[]): number | null {
  return counts.reduce((sum, count) => (sum === null || count === null ? null : sum + count), 0)
}

/** Texts of about so many keys, see {@link KeyTexts}. */
async function drawFromTable(
  { table }: FoldProjection,
  { session, db, registered }: RebuildOptions,
  count: number,
): Promise<readonly string[]> {
  const name = sql.table(`${registered.schemaName}.${table.name}`)
  const { rows: counted } = await sql<{ count: number }>`
    select count(*)::float8 as count from ${name}`.execute(session.db)
  const rowCount = Math.max(1, counted[0]?.count ?? 0)
  // Twice as many as wanted, as the number varies; 100 is all. They come in the order of the table: the first of them
  // would leave out its end, where the latest rows are.
  const percent = Math.min(100, (200 * count) / rowCount)
  const text = new KeyTexts(db, table).sqlOf(sql.ref(table.keyColumn))
  const { rows } = await sql<{ key: string }>`
    select ${text} as key from ${name}
    tablesample bernoulli (${sql.lit(percent)}) order by random() limit ${count}`.execute(
    session.db,
  )
  return rows.map(({ key }) => key)
}

/** One for all tenants: with a table for each, the transaction would have more locks than a server has room for. */
async function createStage(
  trx: Transaction<unknown>,
  projection: FoldProjection,
  { options: { registered } }: DrawnRows,
): Promise<void> {
  const { qualifiedName } = new FoldTable(projection, registered.schemaName)
  await sql`create temporary table verify_stage
    (like ${sql.raw(qualifiedName)}) on commit drop`.execute(trx)
}

async function compare(
  trx: Transaction<unknown>,
  projection: FoldProjection,
  columns: readonly string[],
  { options, tenant, fold, tableKeys, logKeys }: DrawnRows,
): Promise<Verification> {
  const { session, registered } = options
  const { table } = projection
  const { qualifiedName } = new FoldTable(projection, registered.schemaName)
  const failing = new Set([...fold.failing, ...fold.parked])
  const compared = [...fold.rows()].filter(([key]) => !failing.has(key))
  const expected = compared.flatMap(([, row]): Row[] => (row === undefined ? [] : [row]))
  await sql`truncate ${sql.raw(STAGE)}`.execute(trx)
  await session.copy(copyStatement(table, STAGE), copyText(table, expected))

  const key = sql.ref(table.keyColumn)
  const stored = sql.raw(qualifiedName)
  const row = (alias: string) => sql.join(columns.map((column) => sql.ref(`${alias}.${column}`)))
  const missing = await keysOf(
    trx,
    sql`select e.${key} as key from verify_stage e left join ${stored} t using (${key})
      where t.${key} is null`,
  )
  const different = await keysOf(
    trx,
    sql`select e.${key} as key from verify_stage e join ${stored} t using (${key})
      where (${row('e')}) is distinct from (${row('t')})`,
  )
  const compareKeys = new Set([
    ...tableKeys.filter((each) => !failing.has(each)),
    ...compared.map(([each]) => each),
  ])
  const keyTexts = new KeyTexts(options.db, table)
  const surplus = await keysOf(
    trx,
    sql`select t.${key} as key from ${stored} t left join verify_stage e using (${key})
      where e.${key} is null and t.${key} = any(${keyTexts.arrayOf([...compareKeys])})`,
  )
  const rowCount = await countOf(trx, stored)
  const named = (keys: readonly string[]): readonly string[] =>
    tenant === null ? keys : keys.map((each) => unitOf(tenant, each))
  // A row has an event at least. There may be fewer rows: those of some keys were removed.
  const isWithin = logKeys.count === null || rowCount <= logKeys.count
  return {
    isEqual: isWithin && missing.length + different.length + surplus.length === 0,
    rowCount,
    logKeyCount: logKeys.count,
    liveRowCount: await liveCount(trx, registered, { tableName: table.name, tenant }),
    comparedKeys: compareKeys.size,
    failingKeys: failing.size,
    missing: named(missing),
    surplus: named(surplus),
    different: named(different),
  }
}

async function keysOf(
  trx: Transaction<unknown>,
  query: ReturnType<typeof sql>,
): Promise<readonly string[]> {
  const { rows } = await sql<{ key: string }>`
    select key::text as key from (${query}) found order by 1 limit ${NAMED_MAX}`.execute(trx)
  return rows.map(({ key }) => key)
}

async function countOf(trx: Transaction<unknown>, table: RawBuilder<unknown>): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::float8 as count from ${table}`.execute(trx)
  return rows[0]?.count ?? 0
}

/** Null when the live version has no such table, as none of the tenant or one of all, or its rows are hidden. */
async function liveCount(
  trx: Transaction<unknown>,
  { projectionId }: RegisteredProjection,
  { tableName, tenant }: { readonly tableName: string; readonly tenant: string | null },
): Promise<number | null> {
  const schemaOfTenant = sql`(select s.schema_name from evt.tenant_schema s
    join evt.tenant t on t.id = s.tenant_id
    where s.projection_id = v.projection_id and s.version = v.version and t.name = ${tenant})`
  const schema = tenant === null ? sql`v.schema_name` : schemaOfTenant
  const { rows } = await sql<{ schema: string }>`
    select ${schema} as schema from evt.projection_version v
    where v.projection_id = ${projectionId} and v.state = 'live'
      and to_regclass(quote_ident(${schema}) || '.' || quote_ident(${tableName})) is not null`.execute(
    trx,
  )
  const live = rows[0]?.schema
  if (live === undefined || (await hidesRows(trx, { schema: live, name: tableName }))) return null
  return countOf(trx, sql.table(`${live}.${tableName}`))
}
