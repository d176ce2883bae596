import { errorMessage } from '@fairlead/base'
import { Rounds } from './rounds.ts'
import type { Database } from './store/database.ts'
import { unfinishedOrders } from './store/finish-orders.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'

type KeeperOptions = {
  readonly db: Database
  readonly registered: readonly Pick<RegisteredProjection, 'projectionId'>[]
  readonly logger: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
  }
  /** A state was changed. */
  readonly onChange: () => void
}

/** Ends what orders have left half done whose process died, at the start and once a minute. */
export function orderRounds(options: KeeperOptions): Rounds {
  const failed = (error: unknown): void =>
    options.logger.warn(
      { reason: errorMessage(error) },
      'orders were not looked after; the next round will',
    )
  return new Rounds(() => finishOrders(options), { failed })
}

/** One round. */
export async function finishOrders({
  db,
  registered,
  logger,
  onChange,
}: KeeperOptions): Promise<void> {
  const ids = registered.map(({ projectionId }) => projectionId)
  for (const { version, finish } of await unfinishedOrders(db, ids)) {
    const fields = { projection: `${version.name} v${version.version}` }
    try {
      if (!(await finish())) continue
      logger.info(fields, 'an order that was left half done is done: an abort, or a retirement')
      onChange()
    } catch (error) {
      // Others are not to wait for it.
      const reason = errorMessage(error)
      logger.warn(
        { ...fields, reason },
        'an order that was left half done stays so; the next round tries again',
      )
    }
  }
}
