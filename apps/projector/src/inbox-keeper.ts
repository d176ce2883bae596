import { errorMessage } from '@fairlead/base'
import type { Kysely } from 'kysely'
import { Rounds } from './rounds.ts'
import type { Database } from './store/database.ts'
import { forgetIds, keepInboxTables } from './store/inbox-retention.ts'
import { type RegisteredProjection, versionOf } from './store/registered-projection.ts'
import { runningOf } from './store/versions.ts'
import { type LagLog, type PartitionLag, readLags } from './version-lag.ts'

type KeeperOptions = {
  readonly db: Database
  readonly log: LagLog
  readonly registered: readonly RegisteredProjection[]
  readonly logger: { warn(fields: object, message: string): void }
  /** Wall clock. */
  readonly wallMs?: () => number
}

/**
 * Adds the days to come to the inbox and forgets ids that are older than the retention, once a minute;
 * in every process, as only the code of a projection says what its retention is. Undefined where none has an inbox.
 */
export function inboxRounds(options: KeeperOptions): Rounds | undefined {
  const registered = options.registered.filter(({ projection }) => projection.inbox !== undefined)
  if (registered.length === 0) return undefined
  const failed = (error: unknown): void =>
    options.logger.warn(
      { reason: errorMessage(error) },
      'the inbox was not cleaned; the next round will',
    )
  return new Rounds(() => keepInboxes({ ...options, registered }), { failed })
}

/** One round. A version that does not follow the log keeps what it has. */
export async function keepInboxes(options: Omit<KeeperOptions, 'logger'>): Promise<void> {
  const { db, log, registered, wallMs = Date.now } = options
  const failures: unknown[] = []
  for (const each of await runningOf(db, registered)) {
    const { projection } = each
    if (projection.inbox === undefined) continue
    for (const { topic } of projection.sources) {
      const { retentionMs } = projection.inbox
      const forgotten = async (): Promise<void> => {
        const lags = await readLags({ db, log }, versionOf(each), [topic])
        const ofTopic = lags.filter((lag) => lag.topic === topic)
        const horizonMs = horizonOf(ofTopic, wallMs()) - retentionMs
        if (Number.isFinite(horizonMs)) await forgetIds(db, each, topic, horizonMs)
      }
      await forgotten().catch((error: unknown) => failures.push(error))
    }
  }
  await db.connection().execute((connection: Kysely<unknown>) => keepInboxTables(connection))
  // One topic that is away keeps no other projection from its days to come.
  if (failures.length > 0) throw failures[0]
}

/**
 * What the version has come to in the partition that is the furthest behind: an event of a history that is
 * caught up with is not old. A partition without any more records is up to date.
 */
function horizonOf(lags: readonly PartitionLag[], nowMs: number): number {
  if (lags.length === 0) return Number.NEGATIVE_INFINITY
  const times = lags.map(({ lagRecords, eventTimeMs }) =>
    lagRecords === 0 ? nowMs : (eventTimeMs ?? Number.NEGATIVE_INFINITY),
  )
  return Math.min(nowMs, ...times)
}
