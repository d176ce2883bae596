import { CompletionRate } from '@fairlead/projection'
import { sql } from 'kysely'
import type { Database } from '../store/database.ts'
import { type JobPhase, type JobProgress, saveProgress } from '../store/jobs.ts'
import { PhaseSpans } from './job-spans.ts'

const SAVE_INTERVAL_MS = 500

/** How much of a phase is done, of how much. */
export type Measure = () => Promise<{ readonly done: number; readonly total: number }>

/** Tells the database, twice a second, how far a job is, how fast it goes, and when it will be done. */
export class JobReporter {
  readonly #db: Database
  readonly #jobId: bigint
  readonly #nowMs: () => number
  readonly #parked: () => number
  readonly #onProgress: (progress: JobProgress) => void
  readonly #spans = new PhaseSpans()
  #phase: JobPhase = 'preparing'
  #measure: Measure = () => Promise.resolve({ done: 0, total: 0 })
  #rate = new CompletionRate()
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<void> = Promise.resolve()

  constructor(options: {
    readonly db: Database
    readonly jobId: bigint
    readonly nowMs: () => number
    readonly parked: () => number
    readonly onProgress?: (progress: JobProgress) => void
  }) {
    this.#db = options.db
    this.#jobId = options.jobId
    this.#nowMs = options.nowMs
    this.#parked = options.parked
    this.#onProgress = options.onProgress ?? (() => undefined)
    this.#spans.enter(this.#phase)
    this.#timer = setInterval(() => this.#save(), SAVE_INTERVAL_MS)
  }

  /** A phase begins. */
  async enter(phase: JobPhase, measure: Measure): Promise<void> {
    this.#spans.enter(phase)
    this.#phase = phase
    this.#measure = measure
    this.#rate = new CompletionRate()
    this.#save()
    await this.#saving
  }

  /** Nothing is written after it resolves. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#spans.end()
    await this.#saving
  }

  #save(): void {
    this.#saving = this.#saving.then(async () => {
      if (this.#timer === undefined) return
      // The job itself meets a database that is away; its progress is of no use then.
      await this.#saveOnce().catch(() => undefined)
    })
  }

  async #saveOnce(): Promise<void> {
    const nowMs = this.#nowMs()
    const { done, total } = await this.#measure()
    this.#rate.measure(done, nowMs)
    const remainingMs = this.#rate.remainingMs(total)
    const progress = {
      phase: this.#phase,
      done,
      total,
      perSecond: this.#rate.perSecond,
      eta: remainingMs === null ? null : new Date(Date.now() + remainingMs),
      parked: this.#parked(),
    }
    this.#onProgress(progress)
    await saveProgress(this.#db, this.#jobId, progress)
  }
}

/** Rows that a COPY of the session has taken (`pg_stat_progress_copy`). */
export function measureCopy(
  db: Database,
  pid: number,
  { rowCount, copiedCount }: { readonly rowCount: number; readonly copiedCount: () => number },
): Measure {
  return async () => {
    const { rows } = await sql<{ done: number }>`
      select tuples_processed::float8 as done from pg_stat_progress_copy where pid = ${pid}`.execute(
      db,
    )
    return { done: Math.min(copiedCount() + (rows[0]?.done ?? 0), rowCount), total: rowCount }
  }
}

/** Blocks that are read for indexes one after the other: of each, what `pg_stat_progress_create_index` tells. */
export function measureIndexes(
  db: Database,
  pid: number,
  of: {
    readonly total: number
    /** Of indexes that are there. */
    readonly done: () => number
    /** Of the index that the session builds. */
    readonly current: () => number
  },
): Measure {
  return async () => {
    const { rows } = await sql<{ share: number }>`
      select coalesce(blocks_done / nullif(blocks_total, 0)::float8, 0) as share
      from pg_stat_progress_create_index where pid = ${pid}`.execute(db)
    const share = Math.min(1, rows[0]?.share ?? 0)
    return { done: of.done() + share * of.current(), total: of.total }
  }
}
