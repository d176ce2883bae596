import { finishJob, noteResult } from '../store/jobs.ts'
import { promote } from '../store/promote.ts'
import { compareRows } from './compare-rows.ts'
import { countTables } from './count-tables.ts'
import type { RebuildOptions } from './rebuild-version.ts'

/** What a comparison of rows with the log comes to. */
export type Verification = {
  /** Null: nothing was compared, see `tables`. */
  readonly isEqual: boolean | null
  readonly rowCount: number
  /** Of the version that readers see, whose rows may rightly be others: for a person to compare. */
  readonly liveRowCount: number | null
  /** Keys of rows that have an event in the log; no more rows than that are right. Null: they were not counted. */
  readonly logKeyCount: number | null
  readonly comparedKeys: number
  /** Keys with events that fail, which say nothing about the row. */
  readonly failingKeys: number
  /** Keys that the log has, and the table lacks; at most ten of each kind are named. */
  readonly missing: readonly string[]
  /** Keys that the table has, and the log lacks or has removed. */
  readonly surplus: readonly string[]
  readonly different: readonly string[]
  /** Of handlers in SQL, whose rows are counted alone. */
  readonly tables?: readonly TableCount[]
}

export type TableCount = {
  readonly name: string
  readonly rowCount: number
  /** Null where the version that readers see has no such table. */
  readonly liveRowCount: number | null
}

/** Compares rows of the version with the log, as far as that can be done; shows it unless they differ, if asked to. */
export async function verifyVersion(options: RebuildOptions): Promise<void> {
  const { registered, db, job } = options
  const { projection } = registered
  const found =
    projection.kind === 'sql' ? await countTables(options) : await compareRows(options, projection)
  const { promote: swap } = job.request
  if (swap === undefined) {
    await finishJob(db, job.id, found)
    return
  }
  if (found.isEqual === false) {
    await finishJob(db, job.id, { ...found, promoted: null })
    return
  }
  await noteResult(db, job.id, found)
  const { name, version } = projection
  const promoted = await promote(db, { ...swap, name, version, jobId: job.id })
  await finishJob(db, job.id, { ...found, promoted })
}
