import type { Projection, Table } from '@fairlead/projection'
import { type Kysely, sql } from 'kysely'
import { addKey, hasKey } from '../store/columns.ts'
import type { Database } from '../store/database.ts'
import { type Job, expectBuilding, expectOpen } from '../store/jobs.ts'
import { type RegisteredProjection, versionOf } from '../store/registered-projection.ts'
import { addIndex, addIndexes, missingIndexes } from '../store/table-indexes.ts'
import { listTenantSchemas } from '../store/tenant-schemas.ts'
import type { BuildSession } from './build-session.ts'
import { type JobReporter, type Measure, measureIndexes } from './job-progress.ts'

type Target = {
  readonly db: Database
  readonly session: BuildSession
  readonly job: Pick<Job, 'id'>
  readonly registered: RegisteredProjection
}

/**
 * Gives full tables what they lack of their key and their indexes, and the planner its figures. What is there of an
 * attempt that was killed stays.
 *
 * @throws what the database says of rows that no key, or no index, takes (SQLSTATE class 22, 23 or 54).
 *   {VersionError} SUPERSEDED when the order was ended.
 */
export async function indexTables(target: Target, reporter: JobReporter): Promise<void> {
  const { session, registered, job } = target
  const table = tableOf(registered.projection)
  const schemas = table === undefined ? [] : await schemasOf(session.db, registered)
  const steps = table === undefined ? [] : await stepsOf(session.db, table, schemas)
  let doneCount = 0
  await reporter.enter(
    'indexing',
    measureSteps(target, steps, () => doneCount),
  )
  for (const { run } of steps) {
    // Each takes as long as it takes, and tables of the next order may be in the place of these.
    await expectOpen(session.db, job.id)
    await run()
    doneCount += 1
  }
  for (const schemaName of schemas) {
    await sql`analyze ${sql.table(`${schemaName}.${table?.name}`)}`.execute(session.db)
  }
}

/**
 * Empties the tables, which get their key and indexes: rows are then refused one by one, as live. Each has a
 * transaction, for the locks of many tenants; no checkpoint is to say that there are rows.
 */
export async function emptyIndexed({
  session,
  registered,
  job,
}: Omit<Target, 'db'>): Promise<void> {
  const table = tableOf(registered.projection)
  if (table === undefined) return
  for (const schemaName of await schemasOf(session.db, registered)) {
    await session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, registered, job.id)
      await sql`truncate ${sql.table(`${schemaName}.${table.name}`)}`.execute(trx)
      if (!(await hasKey(trx, table, schemaName))) await addKey(trx, table, schemaName)
      const indexes = await missingIndexes(trx, table, schemaName)
      await addIndexes(trx, { ...table, indexes }, schemaName)
    })
  }
}

function tableOf(projection: Projection): Table | undefined {
  return projection.kind === 'sql' ? undefined : projection.table
}

async function schemasOf(
  db: Kysely<unknown>,
  registered: RegisteredProjection,
): Promise<readonly string[]> {
  if (registered.projection.tenants !== 'schema') return [registered.schemaName]
  const schemas = await listTenantSchemas(db, versionOf(registered))
  return schemas.map(({ schemaName }) => schemaName)
}

type Step = {
  /** Of the table, which is read once. */
  readonly blocks: number
  readonly run: () => Promise<void>
}

async function stepsOf(
  db: Kysely<unknown>,
  table: Table,
  schemas: readonly string[],
): Promise<readonly Step[]> {
  const steps: Step[] = []
  for (const schemaName of schemas) {
    const { rows } = await sql<{ blocks: number }>`
      select pg_relation_size(${`${schemaName}.${table.name}`}::regclass)::float8
        / current_setting('block_size')::float8 as blocks`.execute(db)
    const blocks = rows[0]?.blocks ?? 0
    if (!(await hasKey(db, table, schemaName))) {
      steps.push({ blocks, run: () => addKey(db, table, schemaName) })
    }
    for (const index of await missingIndexes(db, table, schemaName)) {
      steps.push({ blocks, run: () => addIndex(db, { table, index, schemaName }) })
    }
  }
  return steps
}

function measureSteps(
  { db, session }: Target,
  steps: readonly Step[],
  doneCount: () => number,
): Measure {
  const blocksOf = (some: readonly Step[]): number =>
    some.reduce((sum, { blocks }) => sum + blocks, 0)
  return measureIndexes(db, session.pid, {
    total: blocksOf(steps),
    done: () => blocksOf(steps.slice(0, doneCount())),
    current: () => steps[doneCount()]?.blocks ?? 0,
  })
}
