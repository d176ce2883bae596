import { OperationalError, errorMessage } from '@fairlead/base'
import { sql } from 'kysely'
import { groupIdOf } from './group-id.ts'
import type { EventLog } from './log/event-log.ts'
import { Rounds } from './rounds.ts'
import type { Database } from './store/database.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'

type KeeperOptions = {
  readonly db: Database
  readonly log: Pick<EventLog, 'deleteGroup'>
  readonly registered: readonly Pick<RegisteredProjection, 'projectionId'>[]
  readonly groupIdPrefix: string
  readonly logger: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
  }
}

/**
 * Deletes the consumer groups of retired versions, once a minute: nobody joins them again, and tools would show a lag of
 * them that grows until their offsets expire. No retirement waits for that: members leave once they have seen the state
 * of the version, and brokers may be away.
 */
export function groupRounds(options: KeeperOptions): Rounds {
  const gone = new Set<string>()
  /** Told once, until it is over or another one: brokers may refuse it for ever. */
  let trouble: string | undefined
  const round = async (): Promise<void> => {
    await deleteRetiredGroups(options, gone)
    trouble = undefined
  }
  const failed = (error: unknown): void => {
    const reason = errorMessage(error)
    if (reason !== trouble) {
      options.logger.warn(
        { reason },
        'groups of retired versions stay at the brokers; it is tried again',
      )
    }
    trouble = reason
  }
  return new Rounds(round, { failed })
}

/** One round. `gone` are groups that need not be asked for any more. */
export async function deleteRetiredGroups(
  options: KeeperOptions,
  gone: Set<string> = new Set(),
): Promise<void> {
  const { log, groupIdPrefix, logger } = options
  const refusals: OperationalError[] = []
  for (const version of await retiredVersions(options)) {
    const groupId = groupIdOf(groupIdPrefix, version)
    if (gone.has(groupId)) continue
    try {
      const outcome = await log.deleteGroup(groupId)
      if (outcome === 'hasMembers') continue
      gone.add(groupId)
      if (outcome === 'deleted') logger.info({ groupId }, 'the group of a retired version is gone')
    } catch (error) {
      // Brokers that do not answer are not waited for with each group in turn.
      if (!(error instanceof OperationalError) || error.retryable) throw error
      refusals.push(error)
    }
  }
  if (refusals[0] !== undefined) throw refusals[0]
}

/** Without throw-away ones, which have no groups. */
async function retiredVersions({
  db,
  registered,
}: KeeperOptions): Promise<readonly { readonly name: string; readonly version: number }[]> {
  const ids = registered.map(({ projectionId }) => projectionId)
  const { rows } = await sql<{ name: string; version: number }>`
    select p.name, v.version
    from evt.projection p join evt.projection_version v on v.projection_id = p.id
    where p.id = any(${ids}::int[]) and v.state = 'retired' and v.version > 0
    order by p.name, v.version`.execute(db)
  return rows
}
