import { errorMessage } from '@fairlead/base'
import { CompletionRate } from '@fairlead/projection'
import { sql } from 'kysely'
import type { EventLog } from './log/event-log.ts'
import { pauseFor } from './pause.ts'
import { readCheckpoints } from './store/checkpoints.ts'
import type { Database } from './store/database.ts'
import { type RegisteredProjection, versionOf } from './store/registered-projection.ts'
import { type Version, readVersionsById } from './store/versions.ts'

/** How soon every process obeys a pause, a promotion or a retirement. */
const POLL_INTERVAL_MS = 500

/** A version that is this close to the end of the log has caught up. */
const READY_LAG_RECORDS = 1_000

export type VersionWatchOptions = {
  readonly db: Database
  readonly log: Pick<EventLog, 'endOffset'>
  readonly registered: readonly RegisteredProjection[]
  /** Called with each look at the database. Must not throw. */
  readonly onSeen: (registered: RegisteredProjection, version: Version) => Promise<void>
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
    let trouble = ''
    while (!signal.aborted) {
      try {
        await this.#look()
        trouble = ''
      } catch (error) {
        const reason = errorMessage(error)
        if (reason !== trouble) {
          this.#options.logger.warn({ err: error }, 'states of projections cannot be read')
        }
        trouble = reason
      }
      this.#wake = new AbortController()
      await pauseFor(POLL_INTERVAL_MS, AbortSignal.any([signal, this.#wake.signal]))
    }
  }

  async #look(): Promise<void> {
    const { db, registered, onSeen } = this.#options
    const ids = new Set(registered.map(({ projectionId }) => projectionId))
    const versions = await readVersionsById(db, [...ids])
    for (const each of registered) {
      const version = versions.find(
        ({ projectionId, version: number }) =>
          projectionId === each.projectionId && number === each.projection.version,
      )
      if (version === undefined) continue
      await onSeen(each, version)
      if (version.state === 'catching_up') await this.#markReady(each)
      else this.#rates.delete(each.schemaName)
    }
  }

  async #markReady(registered: RegisteredProjection): Promise<void> {
    const { db, log } = this.#options
    const { projection, projectionId } = registered
    let [lag, done] = [0, 0]
    for (const at of await readCheckpoints(db, versionOf(registered))) {
      const { nextOffset } = at.progress
      done += nextOffset
      lag += (await log.endOffset(at.topic, at.partition)) - nextOffset
    }
    const rate = this.#rates.get(registered.schemaName) ?? new CompletionRate()
    this.#rates.set(registered.schemaName, rate)
    rate.measure(done, this.#options.nowMs())
    if (lag > READY_LAG_RECORDS) return
    await sql`
      update evt.projection_version set state = 'ready', ready_at = clock_timestamp()
      where projection_id = ${projectionId} and version = ${projection.version}
        and state = 'catching_up'`.execute(db)
  }
}
