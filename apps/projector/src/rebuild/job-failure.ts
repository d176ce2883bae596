import { OperationalError, errorMessage } from '@fairlead/base'
import { classifyPostgresError } from '@fairlead/postgres'
import { EventFailure } from '@fairlead/projection'
import type { JobFailure, JobKind } from '../store/jobs.ts'
import { VersionError } from '../store/versions.ts'
import { RebuildFailed } from './rebuild-failed.ts'

/** Of a failure that has no code that its caller could tell from others. */
const CODES: Readonly<Record<JobKind, string>> = {
  rebuild: 'REBUILD_FAILED',
  keys: 'REBUILD_FAILED',
  verify: 'VERIFICATION_FAILED',
}

/** What is told of a job that failed; null when another attempt may pass. */
export function failureOf(error: unknown, kind: JobKind): JobFailure | null {
  if (error instanceof EventFailure || error instanceof RebuildFailed) {
    return { code: CODES[kind], reason: error.message }
  }
  if (error instanceof VersionError) return { code: error.code, reason: error.message }
  if (error instanceof OperationalError) {
    if (error.retryable) return null
    const { code, message } = error
    const reason =
      code === 'OFFSET_OUT_OF_RANGE'
        ? `${message}: the log lost events while the rebuild read them; keep the topic for longer and rebuild again`
        : message
    return { code, reason }
  }
  const failureClass = classifyPostgresError(error)
  if (failureClass === 'infra' || failureClass === 'contention') return null
  return { code: CODES[kind], reason: errorMessage(error) }
}
