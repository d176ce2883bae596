import { errorMessage } from '@fairlead/base'
import { classifyPostgresError } from '@fairlead/postgres'
import { type Table, type TableIndex, shownIndex } from '@fairlead/projection'
import type { Kysely } from 'kysely'
import { IndexTries } from './index-tries.ts'
import { projectionLabel } from './projection-label.ts'
import { BuildSession } from './rebuild/build-session.ts'
import { Rounds } from './rounds.ts'
import type { Database } from './store/database.ts'
import { type RegisteredProjection, versionOf } from './store/registered-projection.ts'
import { INDEX_LOCK_CLASS, addIndexConcurrently, missingIndexes } from './store/table-indexes.ts'
import { listTenantSchemas } from './store/tenant-schemas.ts'
import { runningOf } from './store/versions.ts'

type KeeperOptions = {
  readonly db: Database
  readonly databaseUrl: string
  readonly registered: readonly RegisteredProjection[]
  readonly nowMs: () => number
  readonly logger: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
    error(fields: object, message: string): void
  }
}

/** One table of a version that follows the log. */
type Place = {
  readonly registered: RegisteredProjection
  readonly table: Table
  readonly schemaName: string
}

/**
 * Makes indexes that were added to the definition of a version that follows the log, once a minute, while it is
 * written to. One of which the definition says nothing any more stays: another process may have another release
 * of it. A stop gives up an index that is being made; the next process makes it. Undefined where no definition has one.
 */
export function indexRounds(options: KeeperOptions): Rounds | undefined {
  const registered = options.registered.filter(({ projection }) => {
    return projection.kind !== 'sql' && projection.table.indexes !== undefined
  })
  return registered.length === 0 ? undefined : new IndexKeeper({ ...options, registered }).rounds
}

class IndexKeeper {
  readonly rounds: Rounds
  readonly #options: KeeperOptions
  /** By schema and name. */
  readonly #tries: IndexTries

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#tries = new IndexTries(options.nowMs)
    const failed = (error: unknown): void => this.#tellPassedOver({}, error)
    this.rounds = new Rounds(() => this.#round(), { failed })
  }

  async #round(): Promise<void> {
    for (const place of await this.#places()) {
      if (this.rounds.signal.aborted) return
      await this.#look(place).catch((error: unknown) =>
        this.#tellPassedOver(fieldsOf(place), error),
      )
    }
  }

  async #look(place: Place): Promise<void> {
    if ((await this.#due(this.#options.db, place)).length > 0) await this.#makeAlone(place)
  }

  #tellPassedOver(fields: object, error: unknown): void {
    if (this.rounds.signal.aborted) return
    this.#options.logger.warn(
      { ...fields, reason: errorMessage(error) },
      'indexes were not looked after; the next round will',
    )
  }

  async #places(): Promise<readonly Place[]> {
    const { db, registered } = this.#options
    const places: Place[] = []
    for (const each of await runningOf(db, registered)) {
      const { projection } = each
      if (projection.kind === 'sql') continue
      const schemas =
        projection.tenants === 'schema'
          ? await listTenantSchemas(db, versionOf(each))
          : [{ schemaName: each.schemaName }]
      for (const { schemaName } of schemas) {
        places.push({ registered: each, table: projection.table, schemaName })
      }
    }
    return places
  }

  async #due(db: Kysely<unknown>, { table, schemaName }: Place): Promise<readonly TableIndex[]> {
    const missing = await missingIndexes(db, table, schemaName)
    return missing.filter(({ name }) => this.#tries.isDue(`${schemaName}.${name}`))
  }

  /** Nothing is done while another process makes indexes of the projection. */
  async #makeAlone(place: Place): Promise<void> {
    const { signal } = this.rounds
    const { projectionId } = place.registered
    const lock = { lockClass: INDEX_LOCK_CLASS, lockKey: projectionId }
    const session = await BuildSession.openLocked(this.#options.databaseUrl, lock, signal)
    if (session === null) return
    try {
      // Whoever retires a version ends who makes its indexes; nobody is to begin the next one.
      const running = await runningOf(session.db, [place.registered])
      for (const index of running.length === 0 ? [] : await this.#due(session.db, place)) {
        if (signal.aborted || session.signal.aborted) return
        await this.#make(session.db, place, index)
      }
    } finally {
      await session.close()
    }
  }

  async #make(db: Kysely<unknown>, place: Place, index: TableIndex): Promise<void> {
    const { logger } = this.#options
    const { table, schemaName } = place
    const fields = { ...fieldsOf(place), index: index.name }
    logger.info(fields, `${shownIndex(index)} is made`)
    try {
      await addIndexConcurrently(db, { table, index, schemaName })
      this.#tries.made(`${schemaName}.${index.name}`)
      logger.info(fields, `${shownIndex(index)} is there`)
    } catch (error) {
      if (!this.rounds.signal.aborted) this.#failed(place, index, error)
    }
  }

  #failed(place: Place, index: TableIndex, error: unknown): void {
    const { logger } = this.#options
    const fields = { ...fieldsOf(place), index: index.name }
    const name = `${place.schemaName}.${index.name}`
    const failureClass = classifyPostgresError(error)
    if (failureClass === 'schema' || failureClass === 'data') {
      // It would read the whole table again and again, and fail.
      this.#tries.refused(name)
      logger.error(
        { ...fields, err: error },
        `${shownIndex(index)} cannot be made: it is tried again at the next start`,
      )
      return
    }
    const triedAgainInMs = this.#tries.failed(name)
    logger.warn(
      { ...fields, reason: errorMessage(error), triedAgainInMs },
      `${shownIndex(index)} was not made`,
    )
  }
}

function fieldsOf({ registered, schemaName }: Place): object {
  return { projection: projectionLabel(registered.projection), schemaName }
}
