import { setTimeout as sleep } from 'node:timers/promises'
import { OperationalError } from '@fairlead/base'
import { type HttpApi, HttpApiError } from '../command/http-api.ts'
import type { Output } from '../output/output.ts'
import { type Progress, progressText } from './progress-text.ts'

const POLL_INTERVAL_MS = 500
/** By then a projector that was restarted answers again: what it does for hours goes on meanwhile, or is taken up. */
const AWAY_MAX_MS = 60_000

/** For the help of each command that shows progress. */
export const PROGRESS_NOTE =
  'Where stderr is no terminal, progress is JSON, a line for each change, and so is the result unless -o says otherwise.'

export type Following = {
  readonly api: HttpApi
  readonly output: Output
  readonly signal: AbortSignal
}

/** Shows the progress of a job until it is over; null when the user does not wait for that. */
export async function followJob({
  jobId,
  ...following
}: Following & { readonly jobId: string }): Promise<Progress | null> {
  return follow(following, `/projection-jobs/${jobId}`, ({ state }) =>
    ['done', 'failed'].includes(state),
  )
}

/**
 * Shows what is at `path` until `isOver`.
 *
 * @throws {HttpApiError} when the projector has been away for a minute, or refuses.
 */
export async function follow(
  { api, output, signal }: Following,
  path: string,
  isOver: (progress: Progress) => boolean,
): Promise<Progress | null> {
  const shown = output.progress()
  let answeredMs = performance.now()
  try {
    while (!signal.aborted) {
      try {
        const progress = await api.get<Progress>(path)
        answeredMs = performance.now()
        shown.show(progress, progressText(progress, Date.now()))
        if (isOver(progress)) return progress
      } catch (error) {
        if (!isAway(error) || performance.now() - answeredMs > AWAY_MAX_MS) throw error
      }
      await sleep(POLL_INTERVAL_MS, undefined, { signal }).catch(() => undefined)
    }
    return null
  } finally {
    shown.end()
  }
}

/** Nobody answers, or somebody in front of it, or it lacks a peer. */
function isAway(error: unknown): boolean {
  return error instanceof HttpApiError && (error.status === 0 || error.status >= 502)
}

/** What the projector does not tell is as in `otherwise`. */
export function jobFailed(
  { code, reason }: Pick<Progress, 'code' | 'reason'>,
  otherwise: { readonly code: string; readonly message: string },
): OperationalError {
  const message = reason ?? otherwise.message
  return new OperationalError(message, { code: code ?? otherwise.code, retryable: false })
}
