import { errorMessage } from '@fairlead/base'
import { CompletionRate } from '@fairlead/projection'
import { sql } from 'kysely'
import { pauseFor } from './pause.ts'
import type { Database } from './store/database.ts'
import { projectionLabel } from './projection-label.ts'
import { type RegisteredProjection, versionOf } from './store/registered-projection.ts'
import { type Version, readVersionsById } from './store/versions.ts'
import { type LagLog, readLags } from './version-lag.ts'

/** How soon every process obeys a pause, a promotion or a retirement. */
const POLL_INTERVAL_MS = 500

/** A version that is this close to the end of the log has caught up. */
const READY_LAG_RECORDS = 1_000

export type VersionWatchOptions = {
  readonly db: Database
  readonly log: LagLog
  readonly registered: readonly RegisteredProjection[]
  /** Called with each look at the database. */
  readonly onSeen: (registered: RegisteredProjection, version: Version) => Promise<void>
  /** With each look: whether the database answers, or why not. */
  readonly onDatabase: (state: true | string) => void
  readonly nowMs: () => number
  readonly logger: { warn(fields: object, message: string): void }
}

/**
 * Looks twice a second at what the database says of the versions whose code is here: operators and
 * other processes change it. Says of a version that catches up that it has.
 */
export class VersionWatch {
  readonly #options: VersionWatchOptions
  readonly #abort = new AbortController()
  #wake = new AbortController()
  /** By schema: how fast versions that catch up do. */
  readonly #rates = new Map<string, CompletionRate>()
  /** By schema: measurements under way. */
  readonly #measuring = new Map<string, Promise<void>>()
  /** What goes wrong, and why. */
  readonly #troubles = new Map<string, string>()
  readonly #done: Promise<void>

  constructor(options: VersionWatchOptions) {
    this.#options = options
    this.#done = this.#run()
  }

  /** Events a second of a version that catches up; undefined when it does not, or not here. */
  rateOf(schemaName: string): CompletionRate | undefined {
    return this.#rates.get(schemaName)
  }

  /** Looks at once. */
  wake(): void {
    this.#wake.abort()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      await this.#attempt('states of projections cannot be read', () => this.#look())
      this.#wake = new AbortController()
      await pauseFor(POLL_INTERVAL_MS, AbortSignal.any([signal, this.#wake.signal]))
    }
    await Promise.all(this.#measuring.values())
  }

  /** A failure is told once, until it is over or another one. */
  async #attempt(what: string, attemptOnce: () => Promise<void>): Promise<void> {
    try {
      await attemptOnce()
      this.#troubles.delete(what)
    } catch (error) {
      const reason = errorMessage(error)
      if (this.#troubles.get(what) !== reason) this.#options.logger.warn({ err: error }, what)
      this.#troubles.set(what, reason)
    }
  }

  async #look(): Promise<void> {
    const { db, registered, onSeen } = this.#options
    const ids = new Set(registered.map(({ projectionId }) => projectionId))
    const versions = await this.#answered(readVersionsById(db, [...ids]))
    for (const each of registered) {
      const version = versions.find(
        ({ projectionId, version: number }) =>
          projectionId === each.projectionId && number === each.projection.version,
      )
      if (version === undefined) continue
      const label = projectionLabel(each.projection)
      await this.#attempt(`${label} is not run as it should be`, () => onSeen(each, version))
      if (version.state === 'catching_up') this.#measure(each)
      else this.#rates.delete(each.schemaName)
    }
  }

  async #answered<T>(answer: Promise<T>): Promise<T> {
    const { onDatabase } = this.#options
    try {
      const found = await answer
      onDatabase(true)
      return found
    } catch (error) {
      onDatabase(errorMessage(error))
      throw error
    }
  }

  /** Apart from the looks, one at a time of a version: the log may take long to answer, or be away. */
  #measure(registered: RegisteredProjection): void {
    const { schemaName, projection } = registered
    if (this.#measuring.has(schemaName)) return
    const what = `whether ${projectionLabel(projection)} has caught up is not known`
    const measuring = this.#attempt(what, () => this.#markReady(registered))
    this.#measuring.set(
      schemaName,
      measuring.then(() => void this.#measuring.delete(schemaName)),
    )
  }

  async #markReady(registered: RegisteredProjection): Promise<void> {
    const { projection, projectionId } = registered
    const topics = projection.sources.map(({ topic }) => topic)
    const lags = await readLags(this.#options, versionOf(registered), topics)
    const rate = this.#rates.get(registered.schemaName) ?? new CompletionRate()
    this.#rates.set(registered.schemaName, rate)
    const done = lags.reduce((sum, { nextOffset }) => sum + nextOffset, 0)
    rate.measure(done, this.#options.nowMs())
    if (topics.some((each) => !lags.some(({ topic }) => topic === each))) return
    const lag = lags.reduce((sum, { lagRecords }) => sum + lagRecords, 0)
    if (lag > READY_LAG_RECORDS) return
    await sql`
      update evt.projection_version set state = 'ready', ready_at = clock_timestamp()
      where projection_id = ${projectionId} and version = ${projection.version}
        and state = 'catching_up'`.execute(this.#options.db)
  }
}
