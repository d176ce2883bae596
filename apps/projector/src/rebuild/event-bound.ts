import { parseLsn } from '@fairlead/base'
import type { PreparedRecord } from '@fairlead/projection'
import type { JobRequest } from '../store/jobs.ts'

/** Which events count, of a version that shows a moment; all of them without a bound. */
export type EventBound = Pick<JobRequest, 'untilLsn' | 'untilMs'>

/** Whether an event is within the bound; null when all are. */
export function isWithin({
  untilLsn,
  untilMs,
}: EventBound): ((prepared: PreparedRecord) => boolean) | null {
  if (untilLsn !== undefined) {
    const last = parseLsn(untilLsn)
    return ({ source }) => source === null || source.commitLsn <= last
  }
  if (untilMs === undefined) return null
  return ({ record }) => record.timestampMs <= untilMs
}
