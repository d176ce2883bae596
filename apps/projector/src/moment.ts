import { parseLsn } from '@fairlead/base'
import type { JobRequest } from './store/jobs.ts'
import { VersionError } from './store/versions.ts'

const LSN = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i
/** `Date.parse` makes a date of almost any text, of `ZZ/1` too. */
const DAY_AND_TIME = /^(\d{4}-\d\d-\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/

/**
 * A time with its zone, a day in UTC, or a commit LSN.
 *
 * @throws {VersionError} BAD_MOMENT
 */
export function momentOf(text: string): Pick<JobRequest, 'untilMs' | 'untilLsn'> {
  if (LSN.test(text)) {
    parseLsn(text)
    return { untilLsn: text }
  }
  const [, day] = DAY_AND_TIME.exec(text) ?? []
  const untilMs = day !== undefined && isDay(day) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(untilMs)) return { untilMs }
  throw new VersionError(
    'BAD_MOMENT',
    `"${text}" is no moment: give a time with its zone, as 2026-01-31T12:00:00Z, a day in UTC, as 2026-01-31, or a commit LSN, as 0/16B3748`,
  )
}

/** February has no day 31, of which `Date.parse` makes one in March. */
function isDay(day: string): boolean {
  const date = new Date(day)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day)
}
