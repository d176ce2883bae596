import { formatLsn, lsn, parseLsn } from '@fairlead/base'
import { CommitTokenError, UNKNOWN_LSN, parseCommitToken } from '@fairlead/outbox'
import { parseIsoTime } from './iso-time.ts'
import type { JobRequest } from './store/jobs.ts'
import { VersionError } from './store/versions.ts'

const LSN = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/i

/** A broker takes a negative time as the name of an offset, such as the latest one. No event is older. */
const BEFORE_ALL_MS = -1

const COMMIT_TOKEN = /^(cut~)?\d\./

/**
 * A time with its zone, a day in UTC, a commit LSN, or a commit token: then the moment behind its writes.
 *
 * @throws {VersionError} BAD_MOMENT
 */
export function momentOf(text: string): Pick<JobRequest, 'untilMs' | 'untilLsn'> {
  if (LSN.test(text)) {
    parseLsn(text)
    return { untilLsn: text }
  }
  if (COMMIT_TOKEN.test(text)) return { untilLsn: lsnOfToken(text) }
  const untilMs = parseIsoTime(text)
  if (untilMs !== undefined) return { untilMs: Math.max(untilMs, BEFORE_ALL_MS) }
  throw new VersionError(
    'BAD_MOMENT',
    `"${text}" is no moment: give a time with its zone, as 2026-01-31T12:00:00Z, a day in UTC, as 2026-01-31, a commit LSN, as 0/16B3748, or a commit token`,
  )
}

/** Of the last commit that may count: the token's writes are below its LSN, and no later commit is. */
function lsnOfToken(token: string): string {
  try {
    const positions = parseCommitToken(token).filter(({ written }) => written.size > 0)
    const bound = positions.reduce((most, { lsn: at }) => (at > most ? at : most), lsn(0n))
    if (bound > 0n && bound < UNKNOWN_LSN) return formatLsn(lsn(bound - 1n))
  } catch (error) {
    if (!(error instanceof CommitTokenError)) throw error
    throw new VersionError('BAD_MOMENT', `"${token}" is no moment: ${error.message}`)
  }
  throw new VersionError(
    'BAD_MOMENT',
    'this commit token does not say when its writes were committed',
  )
}
