import { setImmediate } from 'node:timers/promises'
import { InvariantViolation, OperationalError } from '@fairlead/base'
import {
  EventFailure,
  type FoldProjection,
  type PreparedRecord,
  classifyFailure,
  isEventFault,
  planOf,
} from '@fairlead/projection'
import { type Transaction, sql } from 'kysely'
import { BlameNeeded } from '../blame-needed.ts'
import type { EventLog, TopicPartition } from '../log/event-log.ts'
import type { RecordReader } from '../log/prepare-records.ts'
import type { RunnerLogger } from '../projection-runner.ts'
import { explainUnknown } from '../stop-reasons.ts'
import { readCheckpoints } from '../store/checkpoints.ts'
import { addKey, hasKey } from '../store/columns.ts'
import type { Database } from '../store/database.ts'
import { isCopied } from '../store/fill-schema.ts'
import { Inboxes, closeInbox, forgetInbox } from '../store/inbox.ts'
import { type Job, type JobProgress, expectBuilding, finishJob } from '../store/jobs.ts'
import type { LetterMirror } from '../store/mirror-letters.ts'
import { projectionLabel } from '../projection-label.ts'
import { type RegisteredProjection, isVersion, versionOf } from '../store/registered-projection.ts'
import { createTables, createTenants } from '../store/version-tables.ts'
import type { BuildSession } from './build-session.ts'
import {
  type BuildTarget,
  findTarget,
  readTarget,
  refuseOtherTopics,
  storeTarget,
} from './build-target.ts'
import { dropTenants } from './drop-tenants.ts'
import { isWithin } from './event-bound.ts'
import { FoldLoad } from './fold-load.ts'
import { FoldThreads, type FoldThreadsSetup, ThreadGaveUp } from './fold-threads.ts'
import { JobReporter, measureCopy } from './job-progress.ts'
import { emptyIndexed, indexTables } from './index-tables.ts'
import { type LogSection, MergedLog } from './merged-log.ts'
import { refuseLateBeginning } from './history.ts'
import { readParkedKeys } from './parked-keys.ts'
import { RebuildFailed, refuseFlood } from './rebuild-failed.ts'
import { StatementLoad } from './statement-load.ts'
import { TenantFoldLoad } from './tenant-fold-load.ts'
import { type Filled, writeWhole } from './write-whole.ts'

export type RebuildOptions = {
  readonly db: Database
  readonly session: BuildSession
  readonly log: EventLog
  readonly reader: RecordReader
  readonly registered: RegisteredProjection
  readonly job: Job
  /** Gets a copy of each letter. */
  readonly mirror: LetterMirror | undefined
  readonly batchRecordsMax: number
  readonly fetchBytesMax: number
  readonly memoryBytesMax: number
  /** For a fold of a long history; undefined where there are no threads. */
  readonly threads: FoldThreadsSetup | undefined
  readonly nowMs: () => number
  readonly logger: Pick<RunnerLogger, 'info' | 'warn'>
  /** Called twice a second; null once the rebuild is over. */
  readonly onProgress: (progress: JobProgress | null) => void
  readonly signal: AbortSignal
}

/** Fewer are folded by the time that threads have started. */
const RECORDS_FOR_THREADS_MIN = 20_000

/** Events of a fold that are folded between two looks at the memory. */
const FOLD_RECORDS = 1_000

/**
 * Fills a version from the log as it is now, until it can follow the log like any other. What is there
 * of an attempt that was killed is gone on with, or made anew: each phase ends with a transaction.
 */
export async function rebuildVersion(options: RebuildOptions): Promise<void> {
  const build = new VersionBuild(options)
  try {
    await build.run()
  } finally {
    await build.stop()
  }
}

class VersionBuild {
  readonly #options: RebuildOptions
  readonly #reporter: JobReporter
  /** Of the version, with the ids of all of its history. */
  #inboxes: Inboxes | undefined
  #parkedCount: () => number = () => 0

  constructor(options: RebuildOptions) {
    this.#options = options
    const { db, job, nowMs } = options
    const parked = (): number => this.#parkedCount()
    const { onProgress } = options
    this.#reporter = new JobReporter({ db, jobId: job.id, nowMs, parked, onProgress })
  }

  async stop(): Promise<void> {
    await this.#reporter.stop()
    this.#options.onProgress(null)
  }

  async run(): Promise<void> {
    const { registered, session, job, log } = this.#options
    const target = await this.#prepare()
    this.#inboxes = await Inboxes.open(session.db, registered)
    await this.#load(target)
    await this.#index(target)
    await refuseOtherTopics(log, Object.entries(target.topicIds))
    await session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, registered, job.id)
      const state = job.version < 0 ? 'ready' : 'catching_up'
      await sql`
        update evt.projection_version set state = ${state},
          ready_at = ${state === 'ready' ? sql`clock_timestamp()` : null}
        where ${isVersion(registered)}`.execute(trx)
      if (state === 'ready') await closeInbox(trx, registered)
      await finishJob(trx, job.id, null)
    })
  }

  /** Tables to fill, and the ends of the log that are to be reached, as they were at the start. */
  async #prepare(): Promise<BuildTarget> {
    const { registered, session, job, log } = this.#options
    const known = await readTarget(session.db, registered)
    const started = await readCheckpoints(session.db, versionOf(registered))
    if (known !== null && started.length > 0) return known
    const target = await findTarget(log, registered)
    for (const at of target.ends) await this.#refuseMissingHistory(at)
    await dropTenants(this.#options)
    await session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, registered, job.id)
      await createTables(trx, registered, { isBulk: true })
      await forgetInbox(trx, registered)
      await storeTarget(trx, registered, target)
    })
    await createTenants(session.db, registered, (trx) => expectBuilding(trx, registered, job.id))
    return target
  }

  /** A table without its oldest events would look whole, and be wrong. */
  async #refuseMissingHistory(at: TopicPartition): Promise<void> {
    const { log, registered, job } = this.#options
    if (job.request.acceptMissingHistory === true) return
    await refuseLateBeginning(
      log,
      at,
      `${projectionLabel(registered.projection)} would lack them. Keep the topic for ever (retention.ms=-1), publish the history again, or accept that it is missing (acceptMissingHistory)`,
    )
  }

  async #load(target: BuildTarget): Promise<void> {
    const { registered } = this.#options
    const { projection } = registered
    if (isCopied(projection)) {
      try {
        await this.#fold(projection, target)
        return
      } catch (error) {
        if (!isRefusedRow(error)) throw error
        this.#options.signal.throwIfAborted()
        this.#options.logger.warn(
          { projection: projectionLabel(projection), err: error },
          'the rebuild cannot go on in bulk: it does by statements, to set aside the event to blame',
        )
        await this.#forgetRows(projection)
      }
    }
    await this.#applyStatements(target)
  }

  /** What a throw-away version sets aside is nobody's news. */
  get #mirror(): LetterMirror | undefined {
    const { job, mirror } = this.#options
    return job.version < 0 ? undefined : mirror
  }

  async #fold(projection: FoldProjection, target: BuildTarget): Promise<void> {
    const { session, registered, memoryBytesMax } = this.#options
    if (await this.#foldInThreads(projection, target)) return
    const log = await this.#openLog(target)
    if (log === null) return
    const areTenantsApart = projection.tenants === 'schema'
    const filled = this.#filled(projection, target)
    const options = {
      memoryBytesMax,
      signal: this.#options.signal,
      parkedKeys: await readParkedKeys(session.db, registered),
      isWritten: areTenantsApart
        ? (await readCheckpoints(session.db, versionOf(registered))).length > 0
        : await hasKey(session.db, projection.table, registered.schemaName),
    }
    const load = areTenantsApart
      ? new TenantFoldLoad(filled, options)
      : new FoldLoad(filled, options)
    await this.#enterLoading(log, target, load)
    for (;;) {
      const records = await this.#next(log, FOLD_RECORDS)
      if (records.length === 0) break
      await load.apply(records)
      if (!load.isFull) continue
      await load.write(log.positions(), { isLast: false })
    }
    await (load instanceof TenantFoldLoad
      ? this.#enterCopying(load.rowCount, () => load.copiedCount)
      : this.#enterCopying(load.rowCount))
    await load.write(log.positions(), { isLast: true })
  }

  /** False when it is for one thread, which takes all events in the order of their source. */
  async #foldInThreads(projection: FoldProjection, target: BuildTarget): Promise<boolean> {
    const { log, job, threads, signal, logger } = this.#options
    if (threads === undefined || !isFoldedApart(projection)) return false
    await refuseOtherTopics(log, Object.entries(target.topicIds))
    const { partitions, isBegun } = await this.#partitionsOf(target)
    const recordCount = partitions.reduce((sum, { start, end }) => sum + end - start.nextOffset, 0)
    if (isBegun || recordCount < RECORDS_FOR_THREADS_MIN) return false
    // Threads hear of a signal that fires, and not of one that has.
    signal.throwIfAborted()
    const fold = new FoldThreads({
      ...threads,
      partitions,
      bound: job.request,
      fetchBytesMax: this.#options.fetchBytesMax,
      memoryBytesMax: this.#options.memoryBytesMax,
      onTrouble: (reason) => this.#tellWait(reason),
      signal,
    })
    const label = projectionLabel(projection)
    logger.info({ projection: label, threads: fold.count }, 'the rebuild folds in threads')
    try {
      await this.#enterLoading(fold, target, fold)
      const folded = await fold.folded()
      await this.#enterCopying(folded.rowCount)
      await writeWhole(this.#filled(projection, target), { ...folded, chunks: fold.chunks() })
      return true
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ThreadGaveUp)) throw error
      logger.warn(
        { projection: label, reason: error.message },
        'the rebuild folds all partitions in one thread, in the order of their source',
      )
      return false
    } finally {
      await fold.stop()
    }
  }

  #tellWait(reason: string): void {
    const { registered, logger } = this.#options
    logger.warn({ projection: projectionLabel(registered.projection), reason }, 'the rebuild waits')
  }

  #filled(projection: FoldProjection, { topicIds }: BuildTarget): Filled {
    const { session, registered, job } = this.#options
    return { session, registered, jobId: job.id, projection, topicIds, mirror: this.#mirror }
  }

  /** `copiedCount`: rows of tables before the one that is being copied. */
  async #enterCopying(rowCount: number, copiedCount = () => 0): Promise<void> {
    const { db, session } = this.#options
    const measure = measureCopy(db, session.pid, { rowCount, copiedCount })
    await this.#reporter.enter('copying', measure)
  }

  async #applyStatements(target: BuildTarget): Promise<void> {
    const { session, registered, job, batchRecordsMax, signal } = this.#options
    const log = await this.#openLog(target)
    if (log === null) return
    const recordsMax = Math.min(batchRecordsMax, registered.projection.batchMax ?? Infinity)
    const parkedKeys = await readParkedKeys(session.db, registered)
    const { topicIds } = target
    const about = { session, registered, jobId: job.id, topicIds, parkedKeys, signal }
    const load = new StatementLoad({ ...about, mirror: this.#mirror })
    await this.#enterLoading(log, target, load)
    for (;;) {
      const records = await this.#next(log, recordsMax)
      await load.apply({ records, positions: log.positions() })
      if (records.length === 0) return
    }
  }

  /** From the checkpoints of an attempt that was killed on; null when that one had done it all. */
  async #openLog(target: BuildTarget): Promise<MergedLog | null> {
    const { log, reader, fetchBytesMax, signal } = this.#options
    await refuseOtherTopics(log, Object.entries(target.topicIds))
    const { partitions, isBegun } = await this.#partitionsOf(target)
    const isDone = partitions.every(({ start, end }) => start.nextOffset >= end)
    if (isDone && isBegun) return null
    return new MergedLog({
      log,
      prepare: (records) => reader.prepareLazily(records),
      partitions,
      fetchBytesMax,
      signal,
      onTrouble: (reason) => this.#tellWait(reason),
    })
  }

  /** What is to be read; `isBegun`: behind what an attempt that was killed has written. */
  async #partitionsOf({ ends }: BuildTarget) {
    const { session, registered, log } = this.#options
    const stored = await readCheckpoints(session.db, versionOf(registered))
    const partitions = await Promise.all(
      ends.map(async ({ topic, partition, end }): Promise<LogSection> => {
        const known = stored.find((at) => at.topic === topic && at.partition === partition)
        if (known !== undefined) return { topic, partition, end, start: known.progress }
        // What was there when the rebuild began may be gone by now that it begins once more.
        await this.#refuseMissingHistory({ topic, partition })
        const nextOffset = Math.min(end, await log.earliestOffset(topic, partition))
        return { topic, partition, end, start: { nextOffset, source: null, eventTimeMs: null } }
      }),
    )
    return { partitions, isBegun: stored.length > 0 }
  }

  async #enterLoading(
    log: { readonly readCount: number },
    { ends }: BuildTarget,
    load: { readonly parkedCount: number },
  ): Promise<void> {
    this.#parkedCount = () => load.parkedCount
    const total = ends.reduce((sum, { end }) => sum + end, 0)
    await this.#reporter.enter('loading', () => Promise.resolve({ done: log.readCount, total }))
  }

  async #next(log: MergedLog, recordsMax: number): Promise<readonly PreparedRecord[]> {
    const { signal, job } = this.#options
    // Records that are in memory already would keep live batches of this process from their turn.
    await setImmediate()
    signal.throwIfAborted()
    refuseFlood(this.#parkedCount())
    const isOfBound = isWithin(job.request)
    for (;;) {
      const records = await log.next(recordsMax)
      this.#refuseUnknown(records)
      const ofBound = isOfBound === null ? records : records.filter(isOfBound)
      const within = await this.#withoutRepeats(ofBound)
      // None that counts is not the end: later ones may.
      if (within.length > 0 || records.length === 0) return within
      signal.throwIfAborted()
      await setImmediate()
    }
  }

  /** Ids are stored ahead of the rows: a record that is read again is no repetition of itself. */
  async #withoutRepeats(records: readonly PreparedRecord[]): Promise<readonly PreparedRecord[]> {
    const { session } = this.#options
    if (this.#inboxes === undefined) return records
    return this.#inboxes.withoutRepeats(session.db, records)
  }

  /** Skipping an event of a type that the definitions do not have could never be put right. */
  #refuseUnknown(records: readonly PreparedRecord[]): void {
    const { projection } = this.#options.registered
    for (const prepared of records) {
      if (planOf(prepared) !== 'unknown') continue
      const { topic } = prepared.record
      const eventType = prepared.eventType ?? ''
      throw new RebuildFailed(explainUnknown({ eventType, topic, projection }))
    }
  }

  async #index(target: BuildTarget): Promise<void> {
    try {
      await indexTables(this.#options, this.#reporter)
    } catch (error) {
      if (!isRefusedRow(error)) throw error
      await this.#startOver(target, error)
      await indexTables(this.#options, this.#reporter)
    }
  }

  /**
   * Two keys that are one to the database, such as a uuid in two spellings, or a row that has no place in an
   * index: by statements the first works, and the event to blame for the second is found.
   */
  async #startOver(target: BuildTarget, error: unknown): Promise<void> {
    const { registered, logger } = this.#options
    logger.warn(
      { projection: projectionLabel(registered.projection), err: error },
      'the rebuild begins again by statements, as the rows have no key or index together',
    )
    await this.#emptyAll()
    await this.#applyStatements(target)
  }

  async #emptyAll(): Promise<void> {
    const { session, registered, job } = this.#options
    await session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, registered, job.id)
      await forgetProgress(trx, registered)
    })
    await emptyIndexed(this.#options)
  }

  /**
   * Rows that were copied in this rebuild are void, and the table gets its key; rows that a write committed
   * behind a key stay. Those of tenants have theirs from the first, and only what was committed is in them: without a
   * checkpoint it is a part of a write.
   */
  async #forgetRows(projection: FoldProjection): Promise<void> {
    const { session, registered, job } = this.#options
    const { schemaName } = registered
    const { table, tenants } = projection
    if (tenants === 'schema') {
      const written = await readCheckpoints(session.db, versionOf(registered))
      if (written.length === 0) await this.#emptyAll()
      return
    }
    if (await hasKey(session.db, table, schemaName)) return
    await session.db.transaction().execute(async (trx) => {
      await expectBuilding(trx, registered, job.id)
      await forgetProgress(trx, registered)
      await sql`truncate ${sql.table(`${schemaName}.${table.name}`)}`.execute(trx)
      await addKey(trx, table, schemaName)
    })
  }
}

async function forgetProgress(
  trx: Transaction<unknown>,
  registered: RegisteredProjection,
): Promise<void> {
  for (const table of ['checkpoint', 'parked_key', 'dead_letter']) {
    await sql`delete from ${sql.id('evt', table)} where ${isVersion(registered)}`.execute(trx)
  }
}

/** What becomes of an event depends on those of its key alone, and on nothing in the database. */
function isFoldedApart(projection: FoldProjection): boolean {
  const { mayShareRows, enrich, enrichEach, inbox, tenants } = projection
  const looksUp = enrich !== undefined || enrichEach !== undefined
  return !mayShareRows && !looksUp && inbox === undefined && tenants === undefined
}

/** Of the database, or of the text that it would be given: live, the event to blame would be parked. */
function isRefusedRow(error: unknown): boolean {
  if (error instanceof BlameNeeded) return true
  if (error instanceof InvariantViolation || error instanceof EventFailure) return false
  if (error instanceof OperationalError) return false
  return isEventFault(classifyFailure(error, 'database'))
}
