import { InvariantViolation } from '@fairlead/base'
import { NEVER_RETRIED } from '@fairlead/projection'
import { sql } from 'kysely'
import type { EventLog } from '../log/event-log.ts'
import { RecordReader, type ValueSerde } from '../log/prepare-records.ts'
import { pauseFor } from '../pause.ts'
import type { RunnerLogger } from '../projection-runner.ts'
import type { ProjectorMetrics } from '../projector-metrics.ts'
import type { Database } from '../store/database.ts'
import {
  type Job,
  type JobFailure,
  type JobProgress,
  failJob,
  isOpen,
  openJobs,
  readJob,
} from '../store/jobs.ts'
import type { LetterMirror } from '../store/mirror-letters.ts'
import { momentSchema } from '../store/register.ts'
import { projectionLabel } from '../projection-label.ts'
import type { RegisteredProjection } from '../store/registered-projection.ts'
import { BuildSession } from './build-session.ts'
import { foldKeysAnew } from './fold-keys-anew.ts'
import type { FoldThreadsSetup } from './fold-threads.ts'
import { lockVersion } from '../store/versions.ts'
import { failureOf } from './job-failure.ts'
import { withinJobSpan } from './job-spans.ts'
import { rebuildVersion } from './rebuild-version.ts'
import { verifyVersion } from './verify-version.ts'

const POLL_INTERVAL_MS = 500
/** After a failure that may pass: of the database, the log or the registry. */
const RETRY_DELAY_MS = 2_000

/** The version that a job is of, and the version in whose definition its code is. */
type JobCode = { readonly registered: RegisteredProjection; readonly codeVersion: number }

export type JobRunnerOptions = {
  readonly db: Database
  readonly databaseUrl: string
  readonly log: EventLog
  readonly serde: ValueSerde
  readonly registered: readonly RegisteredProjection[]
  readonly batchRecordsMax: number
  readonly fetchBytesMax: number
  readonly eventAheadMaxMs: number
  readonly tenantHeader: string | undefined
  readonly memoryBytesMax: number
  /** For rebuilds of folds; undefined where there are no threads. */
  readonly foldThreads: Pick<FoldThreadsSetup, 'sources' | 'threadsMax'> | undefined
  /** Gets a copy of each letter of a version that is filled. */
  readonly mirror: LetterMirror | undefined
  readonly nowMs: () => number
  readonly logger: RunnerLogger
  readonly metrics: Pick<ProjectorMetrics, 'rebuild'>
  /** A job ended: states of versions may have changed. */
  readonly onEnd: () => void
  readonly fail: (error: unknown) => void
}

/**
 * Carries out what operators ask for, one job at a time, of the versions whose code is here. Any
 * process with the code may do a job; the lock of its session says which one does, and a process that
 * dies leaves it to the next.
 */
export class JobRunner {
  readonly #options: JobRunnerOptions
  readonly #abort = new AbortController()
  readonly #done: Promise<void>

  constructor(options: JobRunnerOptions) {
    this.#options = options
    this.#done = this.#run()
  }

  /** Gives up the job that is under way; whoever takes it next goes on with it. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      try {
        const delayMs = await this.#runOpen()
        if (delayMs > 0) await pauseFor(delayMs, signal)
      } catch (error) {
        if (error instanceof InvariantViolation) {
          this.#options.fail(error)
          return
        }
        this.#options.logger.warn({ err: error }, 'jobs of projections wait')
        await pauseFor(RETRY_DELAY_MS, signal)
      }
    }
  }

  /** Runs one job that can be run now; answers how long to wait before the next look at the jobs. */
  async #runOpen(): Promise<number> {
    const { db, registered, logger } = this.#options
    const ids = new Set(registered.map(({ projectionId }) => projectionId))
    let delayMs = POLL_INTERVAL_MS
    for (const job of await openJobs(db, [...ids])) {
      try {
        if (await this.#runAlone(job)) return 0
      } catch (error) {
        if (error instanceof InvariantViolation) throw error
        if (this.#abort.signal.aborted) return 0
        // Those behind it may be of a log or a table that is not in trouble.
        logger.warn({ err: error, job: String(job.id), kind: job.kind }, 'a job waits')
        delayMs = RETRY_DELAY_MS
      }
    }
    return delayMs
  }

  /** False when the code of the job's version is not here, or another session has the job, or had it. */
  async #runAlone(listed: Job): Promise<boolean> {
    const code = await this.#codeOf(listed)
    if (code === undefined) return false
    const { signal } = this.#abort
    const session = await BuildSession.open(this.#options.databaseUrl, listed.id, signal)
    if (session === null) return false
    try {
      // Whoever had the lock may have ended it since it was listed, and an operator may have aborted it.
      const job = await readJob(session.db, listed.id)
      if (job === undefined || !isOpen(job)) return false
      await this.#runJob(job, code, session)
    } finally {
      await session.close()
    }
    return true
  }

  /** What the code of a job's version is here; that of a moment is the code of another version. */
  async #codeOf(job: Job): Promise<JobCode | undefined> {
    const { db, registered } = this.#options
    const ofProjection = registered.filter((each) => each.projectionId === job.projectionId)
    if (job.version > 0) {
      const own = ofProjection.find(({ projection }) => projection.version === job.version)
      return own && { registered: own, codeVersion: job.version }
    }
    const { rows } = await sql<{ code_version: number }>`
      select code_version from evt.projection_version
      where projection_id = ${job.projectionId} and version = ${job.version}`.execute(db)
    const code = ofProjection.find(({ projection }) => projection.version === rows[0]?.code_version)
    if (code === undefined) return undefined
    const { projection } = code
    const moment = {
      ...code,
      // Nothing follows the log for it: what it sets aside stays.
      projection: { ...projection, version: job.version, retryParked: NEVER_RETRIED },
      schemaName: momentSchema(projection.name, job.version),
    }
    return { registered: moment, codeVersion: projection.version }
  }

  async #runJob(
    job: Job,
    { registered, codeVersion }: JobCode,
    session: BuildSession,
  ): Promise<void> {
    const { logger, serde, onEnd } = this.#options
    const fields = { projection: projectionLabel(registered.projection), job: String(job.id) }
    const reader = new RecordReader(registered.projection, serde, {
      nowMs: () => Date.now(),
      aheadMaxMs: this.#options.eventAheadMaxMs,
      tenantHeader: this.#options.tenantHeader,
      includedTenants: registered.includedTenants,
    })
    logger.info({ ...fields, kind: job.kind }, 'a job begins')
    const startedMs = this.#options.nowMs()
    try {
      const signal = AbortSignal.any([this.#abort.signal, session.signal])
      const onProgress = (progress: JobProgress | null): void =>
        this.#options.metrics.rebuild(registered.projection, progress)
      const threads = this.#threadsOf(registered, codeVersion)
      const work = { session, registered, reader, job, threads, signal, onProgress }
      await withinJobSpan(job, registered, () =>
        PROCEDURES[job.kind]({ ...this.#options, ...work }),
      )
      const tookMs = Math.round(this.#options.nowMs() - startedMs)
      logger.info({ ...fields, kind: job.kind, tookMs }, 'a job is done')
    } catch (error) {
      if (this.#abort.signal.aborted) return
      const now = await readJob(this.#options.db, job.id)
      if (now !== undefined && !isOpen(now)) {
        logger.info(
          { ...fields, kind: job.kind, reason: now.reason, err: error },
          'a job was ended',
        )
        return
      }
      const failure = failureOf(error, job.kind)
      if (failure === null) throw error
      logger.error({ ...fields, kind: job.kind, err: error }, 'a job failed')
      await this.#markFailed(job, registered, failure)
    } finally {
      onEnd()
    }
  }

  #threadsOf(
    { projection: { name }, includedTenants }: RegisteredProjection,
    codeVersion: number,
  ): FoldThreadsSetup | undefined {
    const { foldThreads, eventAheadMaxMs: aheadMaxMs, tenantHeader } = this.#options
    if (foldThreads === undefined) return undefined
    const read = { aheadMaxMs, tenantHeader, includedTenants }
    return { ...foldThreads, projection: { name, version: codeVersion }, ...read }
  }

  async #markFailed(
    job: Job,
    { projection: { name } }: RegisteredProjection,
    failure: JobFailure,
  ): Promise<void> {
    await this.#options.db.transaction().execute(async (trx) => {
      // Before the row of the job, as whoever retires the version has them.
      await lockVersion(trx, { name, version: job.version })
      // Of one that was ended since, the version may be filled for the next order by now.
      const isOwn = await failJob(trx, job.id, failure)
      if (!isOwn || job.kind !== 'rebuild') return
      await sql`
        update evt.projection_version set state = 'failed', reason = ${failure.reason}
        where projection_id = ${job.projectionId} and version = ${job.version}
          and state = 'building'`.execute(trx)
    })
  }
}

const PROCEDURES = {
  rebuild: rebuildVersion,
  keys: foldKeysAnew,
  verify: verifyVersion,
} as const
