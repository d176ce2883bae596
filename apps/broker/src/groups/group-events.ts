import type { Clock } from '@fairlead/base'
import type { GroupEvent } from '@fairlead/coordinator'
import { GROUP_LOG_LINES_MAX, GROUP_LOG_WINDOW_MS } from '../limits.ts'
import type { GroupMetrics } from '../metrics/group-metrics.ts'
import { LimitedLog } from '../network/limited-log.ts'

/** Counts what happens in groups, and logs the rebalances: why they began, and how they went on. */
export function groupEventListener(options: {
  readonly metrics: GroupMetrics
  readonly clock: Clock
  readonly logger: { info(fields: object, message: string): void }
}): (event: GroupEvent) => void {
  const { metrics, clock, logger } = options
  const log = new LimitedLog({
    clock,
    linesMax: GROUP_LOG_LINES_MAX,
    windowMs: GROUP_LOG_WINDOW_MS,
    write: (fields, message) => logger.info(fields, message),
  })
  return (event) => {
    metrics.happened(event)
    const message = messageOf(event)
    if (message !== undefined) log.write(event, message)
  }
}

/** Offsets come and go too often for lines of their own. */
function messageOf({ kind }: GroupEvent): string | undefined {
  switch (kind) {
    case 'rebalanceBegan':
      return 'a group prepares to rebalance'
    case 'generationBegan':
      return 'a group has a new generation, which waits for its assignment'
    case 'generationCompleted':
      return 'a group is stable'
    case 'groupEmptied':
      return 'a group is empty'
    case 'groupDeleted':
      return 'a group was deleted'
    case 'offsetsCommitted':
    case 'offsetsExpired':
    case 'offsetsDeleted':
      return undefined
  }
}
