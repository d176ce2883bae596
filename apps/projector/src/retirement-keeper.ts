import { errorMessage } from '@fairlead/base'
import { type Kysely, sql } from 'kysely'
import { Rounds } from './rounds.ts'
import type { Database } from './store/database.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'
import { retire } from './store/retire.ts'
import { VersionError } from './store/versions.ts'

type KeeperOptions = {
  readonly db: Database
  readonly registered: readonly Pick<RegisteredProjection, 'projectionId'>[]
  /** How long after the last promotion of its projection a version before the live one goes. */
  readonly afterMs: number
  readonly logger: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
  }
  /** A state was changed. */
  readonly onChange?: () => void
}

/**
 * Retires versions that were live before the one that is, and have not been for long enough, once a minute. A
 * later one is what somebody went back from: whether it is promoted again is for them to say.
 */
export function retirementRounds(options: KeeperOptions): Rounds {
  /** Why versions stay; told once, until it is another reason. */
  const reasons = new Map<string, string>()
  const failed = (error: unknown): void =>
    options.logger.warn(
      { reason: errorMessage(error) },
      'versions were not looked after; the next round will',
    )
  return new Rounds(() => retireUnused(options, reasons), { failed })
}

type Unused = { readonly name: string; readonly version: number; readonly promotedAt: Date }

/** One round. */
export async function retireUnused(
  options: KeeperOptions,
  reasons: Map<string, string> = new Map(),
): Promise<void> {
  const { db, registered, afterMs, logger } = options
  const ids = registered.map(({ projectionId }) => projectionId)
  for (const { name, version, promotedAt } of await unusedVersions(db, ids, afterMs)) {
    const fields = { projection: `${name} v${version}`, promotedAt }
    try {
      await retire(db, { name, version, sincePromotionMinMs: afterMs })
      logger.info(fields, 'a version is retired: another one has been live for long enough')
      options.onChange?.()
    } catch (error) {
      if (!(error instanceof VersionError)) throw error
      const { message } = error
      const label = `${name} v${version}`
      if (reasons.get(label) !== message) {
        logger.warn({ ...fields, reason: message }, 'a version that is not live any more stays')
      }
      reasons.set(label, message)
    }
  }
}

async function unusedVersions(
  db: Kysely<unknown>,
  projectionIds: readonly number[],
  afterMs: number,
): Promise<readonly Unused[]> {
  const { rows } = await sql<Unused>`
    select p.name, v.version, p.promoted_at as "promotedAt"
    from evt.projection p join evt.projection_version v on v.projection_id = p.id
    where p.id = any(${projectionIds}::int[]) and v.state = 'standby'
      and v.version < p.live_version
      and p.promoted_at < clock_timestamp() - make_interval(secs => ${afterMs / 1_000})
    order by p.name, v.version`.execute(db)
  return rows
}
