import { type FoldProjection, type Row, type RowKey } from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { readCheckpoints } from '../store/checkpoints.ts'
import { FoldTable } from '../store/fold-table.ts'
import { finishJob } from '../store/jobs.ts'
import { type RegisteredProjection, versionOf } from '../store/registered-projection.ts'
import { VersionError } from '../store/versions.ts'
import { JobReporter } from './job-progress.ts'
import { KeyFold } from './key-fold.ts'
import type { RebuildOptions } from './rebuild-version.ts'
import { copyText } from './row-text.ts'

const SAMPLE_DEFAULT = 100
/** Keys of each kind of difference that are named. */
const NAMED_MAX = 10

/** What a comparison of rows with the log comes to. */
type Verification = {
  readonly isEqual: boolean
  /** Rows of the version, and of the one that readers see: for a person to compare. */
  readonly rowCount: number
  readonly liveRowCount: number | null
  readonly comparedKeys: number
  /** Keys with events that fail, which say nothing about the row. */
  readonly failingKeys: number
  /** Keys that the log has, and the table lacks; at most ten of each kind are named. */
  readonly missing: readonly string[]
  /** Keys that the table has, and the log lacks or has removed. */
  readonly surplus: readonly string[]
  readonly different: readonly string[]
}

/**
 * Folds some keys from the log once more, and compares them with the rows of the version: half of them
 * are drawn from the table, half from the log, so that rows are found that only one of the two has.
 */
export async function verifyVersion(options: RebuildOptions): Promise<void> {
  const { registered, db, job, nowMs, session } = options
  const { projection } = registered
  if (projection.kind !== 'fold') {
    throw new VersionError(
      'NOT_A_FOLD',
      `${projection.name} has handlers in SQL: what a row should be is not known without running them. Compare a rebuilt version with the live one.`,
    )
  }
  const sample = await drawSample(projection, options)
  const fold = new KeyFold({ ...options, projection, wants: sample.wants })
  const ends = await readCheckpoints(session.db, versionOf(registered))
  const total = ends.reduce((sum, { progress }) => sum + progress.nextOffset, 0)
  const reporter = new JobReporter({ db, jobId: job.id, nowMs, parked: () => fold.letters.length })
  try {
    await reporter.enter('reading', () => Promise.resolve({ done: fold.readCount, total }))
    await fold.readTo(ends)
    const verification = await session.db
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute((trx) => compare(trx, { options, projection, fold, tableKeys: sample.tableKeys }))
    await reporter.stop()
    await finishJob(db, job.id, verification)
  } finally {
    await reporter.stop()
  }
}

type Sample = {
  readonly tableKeys: readonly string[]
  readonly wants: (key: RowKey) => boolean
}

async function drawSample(
  projection: FoldProjection,
  { session, registered, job }: RebuildOptions,
): Promise<Sample> {
  const half = Math.ceil((job.request.sample ?? SAMPLE_DEFAULT) / 2)
  const { keyColumn } = projection.table
  const name = sql.table(`${registered.schemaName}.${projection.table.name}`)
  const { rows: counted } = await sql<{ count: number }>`
    select count(*)::float8 as count from ${name}`.execute(session.db)
  const rowCount = Math.max(1, counted[0]?.count ?? 0)
  // Twice as many as wanted, as the number varies; 100 is all.
  const percent = Math.min(100, (200 * half) / rowCount)
  const { rows } = await sql<{ key: string }>`
    select ${sql.ref(keyColumn)}::text as key from ${name}
    tablesample bernoulli (${sql.lit(percent)}) limit ${half}`.execute(session.db)
  const tableKeys = rows.map(({ key }) => key)
  const drawn = new Set(tableKeys)
  const oneIn = Math.max(1, Math.floor(rowCount / half))
  const wants = (key: RowKey): boolean => {
    const text = String(key)
    return drawn.has(text) || textHash(text) % oneIn === 0
  }
  return { tableKeys, wants }
}

/** FNV-1a, for a draw that does not change while the log is read. */
function textHash(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

/** Reads rows and checkpoints of one moment, and the log up to it. */
async function compare(
  trx: Transaction<unknown>,
  from: {
    readonly options: RebuildOptions
    readonly projection: FoldProjection
    readonly fold: KeyFold
    readonly tableKeys: readonly string[]
  },
): Promise<Verification> {
  const { options, projection, fold, tableKeys } = from
  const { session, registered } = options
  const { table } = projection
  const { qualifiedName } = new FoldTable(projection, registered.schemaName)
  await fold.readTo(await readCheckpoints(trx, versionOf(registered)))
  const failing = new Set(fold.letters.map(({ key }) => key))
  const compared = [...fold.rows].filter(([key]) => !failing.has(String(key)))
  const expected = compared.flatMap(([, row]): Row[] => (row === undefined ? [] : [row]))
  await sql`create temporary table verify_stage
    (like ${sql.raw(qualifiedName)}) on commit drop`.execute(trx)
  const columns = Object.keys(table.columns)
  const statement = `copy pg_temp.verify_stage (${columns.join(', ')}) from stdin`
  await session.copy(statement, copyText(table, expected))

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
  const compareKeys = [
    ...tableKeys.filter((each) => !failing.has(each)),
    ...compared.map(([each]) => String(each)),
  ]
  const surplus = await keysOf(
    trx,
    sql`select t.${key} as key from ${stored} t left join verify_stage e using (${key})
      where e.${key} is null and t.${key}::text = any(${compareKeys}::text[])`,
  )
  return {
    isEqual: missing.length + different.length + surplus.length === 0,
    rowCount: await countOf(trx, stored),
    liveRowCount: await liveCount(trx, registered, table.name),
    comparedKeys: new Set(compareKeys).size,
    failingKeys: failing.size,
    missing,
    surplus,
    different,
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

async function countOf(
  trx: Transaction<unknown>,
  table: ReturnType<typeof sql.raw>,
): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::float8 as count from ${table}`.execute(trx)
  return rows[0]?.count ?? 0
}

/** Null when the live version has no such table. */
async function liveCount(
  trx: Transaction<unknown>,
  { projectionId }: RegisteredProjection,
  tableName: string,
): Promise<number | null> {
  const { rows } = await sql<{ name: string | null }>`
    select to_regclass(format('%I.%I', v.schema_name, ${tableName}::text))::text as name
    from evt.projection_version v
    where v.projection_id = ${projectionId} and v.state = 'live'`.execute(trx)
  const name = rows[0]?.name ?? null
  return name === null ? null : countOf(trx, sql.raw(name))
}
