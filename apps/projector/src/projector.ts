import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { errorMessage } from '@fairlead/base'
import { classifyPostgresError, migrate, tlsFailure, withTls } from '@fairlead/postgres'
import {
  type CompletionRate,
  INFRA_BACKOFF,
  type Projection,
  type RetryPolicy,
} from '@fairlead/projection'
import type { Metrics } from '@fairlead/service'
import type { EventLog, TopicPartition } from './log/event-log.ts'
import type { ReaderReports } from '@fairlead/serde'
import type { ValueSerde } from './log/prepare-records.ts'
import { groupRounds } from './group-keeper.ts'
import { inboxRounds } from './inbox-keeper.ts'
import { indexRounds } from './index-keeper.ts'
import { orderRounds } from './order-keeper.ts'
import type { WorkerObserver } from './worker-observer.ts'
import type { PauseGate } from './pause-gate.ts'
import { pause } from './pause.ts'
import { ProjectionRunner, type RunnerLogger } from './projection-runner.ts'
import { ProjectorMetrics } from './projector-metrics.ts'
import { retirementRounds } from './retirement-keeper.ts'
import type { Rounds } from './rounds.ts'
import { JobRunner, type JobRunnerOptions } from './rebuild/job-runner.ts'
import { ReplayOrders } from './replay-orders.ts'
import { RowCaches } from './row-cache.ts'
import { RunningVersion } from './running-version.ts'
import { type Database, openDatabase } from './store/database.ts'
import { countLetters, countParkedKeys } from './store/list-letters.ts'
import type { LetterMirror } from './store/mirror-letters.ts'
import { RetiredError, registerProjection } from './store/register.ts'
import { StandbyLock, type StandbyOptions } from './standby-lock.ts'
import { projectionLabel } from './projection-label.ts'
import type { RegisteredProjection, TenantScope } from './store/registered-projection.ts'
import { tellParked, tellSkipped } from './tell-parked.ts'
import { VersionWatch } from './version-watch.ts'

const MIGRATIONS = fileURLToPath(new URL('../../../sql/migrations', import.meta.url))

/**
 * Of the 5 s in which the process is to be gone: longer than partitions are given up in, so that others get them even
 * where a statement does not end. What is not finished by then is rolled back by Postgres.
 */
const STOP_DEADLINE_MS = 4_500

export type ProjectorOptions = {
  /** Where it says nothing of TLS, a database that is not on this machine is spoken to with `verify-full`. */
  readonly databaseUrl: string
  readonly databaseConnectionsMax: number
  /** Beside these; see {@link Projector.operatorDb}. */
  readonly operatorConnectionsMax: number
  readonly log: EventLog
  readonly serde: ValueSerde
  /** Where it is told with which schemas the projections read. */
  readonly reports?: Pick<ReaderReports, 'reads'>
  readonly projections: readonly Projection[]
  readonly groupIdPrefix: string
  readonly batchRecordsMax: number
  readonly fetchBytesMax: number
  /** Of the rows of recent batches, over all partitions; 0: none. */
  readonly rowCacheBytesMax: number
  /** Of the rows of a rebuild that are not written yet. */
  readonly rebuildMemoryBytesMax: number
  /** For rebuilds of folds; undefined where there are no threads. */
  readonly foldThreads?: JobRunnerOptions['foldThreads']
  /** How long after a promotion the versions before it go by themselves; undefined: never. */
  readonly retireAfterMs?: number | undefined
  readonly parkedKeysPerMinuteMax: number
  /** Of keys whose projection does not say itself how often they are tried again. */
  readonly parkedRetry: RetryPolicy
  /** An event that claims to be later than this ahead of the clock is set aside. */
  readonly eventAheadMaxMs: number
  /** Header of a record that names its tenant; undefined where there are none. */
  readonly tenantHeader: string | undefined
  /** Where of several processes one works, and the others wait until it is gone; undefined: all work. */
  readonly standby?: StandbyOptions | undefined
  /** Default: all tenants, whose schemas are made with their first event. */
  readonly tenants?: TenantScope
  /** Gets a copy of each letter. */
  readonly mirror: LetterMirror | undefined
  readonly metrics: Metrics
  readonly health: { set(check: string, state: true | string): void }
  readonly logger: RunnerLogger
  /** Something that waiting does not cure: the process must end. */
  readonly fail: (error: unknown) => void
}

/**
 * The projector: migrates the database, registers each projection, and runs it on the partitions that
 * the consumer group assigns here. A peer that is away delays it, and shows in the health checks.
 */
export class Projector {
  readonly db: Database
  /**
   * For what operators ask for, and for how it is obeyed. Partitions may be many more than there are connections in
   * {@link db}, and each of their batches, one that waits for a lock as well, keeps one until it ends.
   */
  readonly operatorDb: Database
  readonly #options: ProjectorOptions
  readonly #metrics: ProjectorMetrics
  readonly #rowCaches: RowCaches
  readonly #replayOrders: ReplayOrders
  readonly #abort = new AbortController()
  readonly #started: Promise<void>
  /** One per version whose code is here; it runs while the version follows the log. */
  #versions: readonly RunningVersion[] = []
  #registered: readonly RegisteredProjection[] = []
  #watch: VersionWatch | undefined
  #jobs: JobRunner | undefined
  #rounds: readonly (Rounds | undefined)[] = []
  #standbyLock: StandbyLock | undefined

  constructor(options: ProjectorOptions) {
    this.#options = { ...options, databaseUrl: withTls(options.databaseUrl) }
    const { databaseUrl: url } = this.#options
    const { logger } = options
    this.db = openDatabase({ url, connectionsMax: options.databaseConnectionsMax, logger })
    this.operatorDb = openDatabase({
      url,
      connectionsMax: options.operatorConnectionsMax,
      applicationName: 'fairlead-projector-operators',
      logger,
    })
    this.#rowCaches = new RowCaches({ bytesMax: options.rowCacheBytesMax })
    this.#replayOrders = new ReplayOrders({ db: this.db, nowMs: () => performance.now() })
    this.#metrics = new ProjectorMetrics(options.metrics, {
      rowCacheBytes: () => this.#rowCaches.bytes,
      letters: () => countLetters(this.operatorDb),
      parkedKeys: () => countParkedKeys(this.operatorDb),
    })
    options.health.set('database', 'not connected yet')
    this.#started = this.#start().catch((error: unknown) => options.fail(error))
  }

  /** Of the versions that follow the log. */
  get runners(): readonly ProjectionRunner[] {
    return this.#versions.flatMap(({ runner }) => runner ?? [])
  }

  /** The versions whose code is here, whether this process works or stands by. */
  get registered(): readonly RegisteredProjection[] {
    return this.#registered
  }

  /** How fast a version catches up, by its schema. */
  rateOf(schemaName: string): CompletionRate | undefined {
    return this.#watch?.rateOf(schemaName)
  }

  /** Looks at the states of versions at once: one of them was changed here. */
  refresh(): void {
    this.#watch?.wake()
  }

  get isStopping(): boolean {
    return this.#abort.signal.aborted
  }

  /** Finishes the batches in flight, leaves the groups, and closes the connections. */
  async stop(): Promise<void> {
    this.#abort.abort()
    const stopped = this.#stopAll().then(() => true)
    const isInTime = await Promise.race([stopped, sleep(STOP_DEADLINE_MS, false, { ref: false })])
    if (isInTime) return
    this.#options.logger.warn(
      { deadlineMs: STOP_DEADLINE_MS },
      'not all has ended in time: transactions that are under way are rolled back',
    )
  }

  async #stopAll(): Promise<void> {
    // One that still stands by need not wait for its turn.
    if (this.#watch === undefined) await this.#standbyLock?.release()
    await this.#started
    const parts = [...this.#versions, this.#watch, this.#jobs, ...this.#rounds]
    // All at once: whatever one of them waits for, workers end and groups are left meanwhile.
    const ended = parts.map(async (part) => part?.stop())
    // What they still ask of a log that does not answer ends with it; the groups have clients of their own.
    await this.#options.log.close()
    await Promise.all(ended)
    await this.#standbyLock?.release()
    await Promise.all([this.db.destroy(), this.operatorDb.destroy()])
  }

  async #start(): Promise<void> {
    const { projections } = this.#options
    const registered = await this.#onceDatabaseAnswers(async () => {
      await migrate({
        url: this.#options.databaseUrl,
        directory: MIGRATIONS,
        logger: this.#options.logger,
      })
      return this.#register(projections)
    })
    if (registered === null) return
    this.#registered = registered
    this.#options.health.set('database', true)
    if (!(await this.#isItsTurn())) return
    this.#versions = registered.map(
      (each) => new RunningVersion(each, (gate) => this.#runner(each, gate)),
    )
    this.#follow(registered)
  }

  /** False when the projector stops before. What can be done beforehand is done: it takes over at once. */
  async #isItsTurn(): Promise<boolean> {
    const { standby, databaseUrl, health, logger } = this.#options
    if (standby === undefined || this.#abort.signal.aborted) return !this.#abort.signal.aborted
    this.#standbyLock = new StandbyLock({
      ...standby,
      databaseUrl,
      logger,
      // A process that stands by has no partitions that would say so.
      onDatabase: (state) => health.set('database', state),
      onStandby: () => {
        this.#metrics.standby(true)
        logger.info({ name: standby.name }, 'another process works: standing by until it is gone')
      },
    })
    const isItsTurn = await this.#standbyLock.held
    this.#metrics.standby(false)
    return isItsTurn
  }

  /** Older versions first: the first one of a projection is live at once. */
  async #register(projections: readonly Projection[]): Promise<readonly RegisteredProjection[]> {
    const registered: RegisteredProjection[] = []
    const retired: { readonly projection: Projection; readonly error: RetiredError }[] = []
    for (const projection of projections.toSorted((a, b) => a.version - b.version)) {
      const retryParked = { ...this.#options.parkedRetry, ...projection.retryParked }
      const configured = { ...projection, retryParked }
      try {
        registered.push(await registerProjection(this.db, configured, this.#options.tenants))
      } catch (error) {
        if (!(error instanceof RetiredError)) throw error
        retired.push({ projection, error })
      }
    }
    for (const { projection, error } of retired) {
      if (!registered.some((other) => other.projection.name === projection.name)) throw error
      this.#options.logger.warn(
        { projection: projectionLabel(projection) },
        'a version is left out, as it is retired: remove it from the projections',
      )
    }
    return registered
  }

  #follow(registered: readonly RegisteredProjection[]): void {
    const { log, logger, ...options } = this.#options
    this.#watch = new VersionWatch({
      db: this.operatorDb,
      log,
      logger,
      registered,
      // A process to which no partition fell has none that would say so.
      onDatabase: (state) => options.health.set('database', state),
      nowMs: () => performance.now(),
      onSeen: async (each, version) => {
        const running = this.#versions.find((candidate) => candidate.registered === each)
        this.#metrics.versionSeen(each.projection, version.state)
        await running?.obey(version)
      },
    })
    const { databaseUrl, retireAfterMs: afterMs } = options
    const nowMs = (): number => performance.now()
    const onChange = (): void => this.refresh()
    const common = { db: this.db, registered, logger, onChange }
    this.#rounds = [
      inboxRounds({ ...common, log }),
      indexRounds({ ...common, databaseUrl, nowMs }),
      orderRounds(common),
      groupRounds({ ...common, log, groupIdPrefix: options.groupIdPrefix }),
      afterMs === undefined ? undefined : retirementRounds({ ...common, afterMs }),
    ]
    this.#jobs = new JobRunner({
      db: this.db,
      databaseUrl,
      log,
      logger,
      serde: options.serde,
      registered,
      batchRecordsMax: options.batchRecordsMax,
      fetchBytesMax: options.fetchBytesMax,
      eventAheadMaxMs: options.eventAheadMaxMs,
      tenantHeader: options.tenantHeader,
      memoryBytesMax: options.rebuildMemoryBytesMax,
      foldThreads: options.foldThreads,
      mirror: options.mirror,
      metrics: this.#metrics,
      nowMs,
      onEnd: onChange,
      fail: options.fail,
    })
  }

  #runner(registered: RegisteredProjection, gate: PauseGate): ProjectionRunner {
    const { health, fail, metrics: _registry, ...options } = this.#options
    const { projection } = registered
    const check = `projection ${projectionLabel(projection)}`
    return new ProjectionRunner({
      ...options,
      db: this.db,
      registered,
      gate,
      rowCaches: this.#rowCaches,
      replayOrders: this.#replayOrders,
      nowMs: () => performance.now(),
      observe: (partition) => this.#observer(projection, partition),
      onHealth: (state) => health.set(check, state),
      onFatal: fail,
    })
  }

  #observer(projection: Projection, partition: TopicPartition): WorkerObserver {
    const { logger, fail } = this.#options
    const fields = { projection: projectionLabel(projection), ...partition }
    const metrics = this.#metrics.observer(projection, partition)
    let logged = ''
    return {
      ...metrics,
      state: (state) => {
        metrics.state(state)
        const reason = state.kind === 'running' ? state.kind : `${state.kind}: ${state.reason}`
        if (reason === logged) return
        if (state.kind === 'faulted')
          logger.error({ ...fields, reason }, 'the partition is faulted')
        else if (logged !== '')
          logger.info({ ...fields, reason }, 'the partition changed its state')
        logged = reason
      },
      failed: (failure) => {
        metrics.failed(failure)
        const { error, failureClass } = failure
        if (failureClass === 'flood') {
          logger.error(
            { ...fields, err: error },
            'more would be parked than may be: pausing, or parking what is of one tenant',
          )
        } else logger.warn({ ...fields, err: error, failureClass }, 'a batch or a read failed')
      },
      committed: (batch) => {
        metrics.committed(batch)
        tellParked(logger, { projection, at: partition }, batch.ledger.letters)
        tellSkipped(logger, { projection, at: partition }, batch.ledger.skipped)
      },
      drained: (drained) => {
        metrics.drained(drained)
        const { isTimed, unparked, replayedCount, failedCount } = drained
        logger.info(
          { ...fields, unparkedCount: unparked.size, replayedCount, failedCount },
          isTimed ? 'parked keys were tried again' : 'dead letters were replayed',
        )
      },
      wentBack: (offsets) => {
        logger.warn(
          { ...fields, ...offsets },
          'the database has lost transactions that had committed: what it lacks is applied again from the log',
        )
      },
      crashed: fail,
    }
  }

  /** Null when the projector stops meanwhile. */
  async #onceDatabaseAnswers<T>(attemptOnce: () => Promise<T>): Promise<T | null> {
    const { databaseUrl, health, logger } = this.#options
    const { signal } = this.#abort
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        return await attemptOnce()
      } catch (error) {
        const failureClass = classifyPostgresError(error)
        if (failureClass !== 'infra' && failureClass !== 'contention') throw error
        logger.warn({ err: error, attempt }, 'the database does not answer yet')
        health.set('database', tlsFailure(databaseUrl, error) ?? errorMessage(error))
        await pause(attempt, INFRA_BACKOFF, signal)
      }
    }
    return null
  }
}
