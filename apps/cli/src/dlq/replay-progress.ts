import { setTimeout as sleep } from 'node:timers/promises'
import { type HttpApi, HttpApiError } from '../command/http-api.ts'
import type { JsonObject, Output } from '../output/output.ts'
import { projectionPath } from '../projection/projection-path.ts'

const POLL_INTERVAL_MS = 200
/** Of looks at the replay, one in so many is at what it may wait for, too: every five seconds. */
const LOOKS_PER_OBSTACLE = 25

/** A replay that somebody asked for, and how far it is. */
export type ReplayProgress = JsonObject & {
  readonly request: string
  readonly at: string
  readonly projection: string
  readonly version: number
  readonly pausedBy: string | null
  readonly pendingKeys: number
  readonly failedKeys: number
  readonly replayed: number
}

/** Waits until a replay is over or `signal` fires, and says what it waits for itself. */
export async function followReplay({
  api,
  output,
  signal,
  request,
}: {
  readonly api: HttpApi
  readonly output: Output
  readonly signal: AbortSignal
  readonly request: string
}): Promise<ReplayProgress> {
  let told: string | undefined
  for (let looks = 0; ; looks++) {
    const progress = await asked(request, replayProgress(api, request))
    if (progress.pendingKeys === 0 || signal.aborted) return progress
    if (looks % LOOKS_PER_OBSTACLE === 0) {
      const obstacle = await asked(request, obstacleOf(api, progress))
      if (obstacle !== undefined && obstacle !== told) output.note(obstacle)
      told = obstacle
    }
    await sleep(POLL_INTERVAL_MS, undefined, { signal }).catch(() => undefined)
  }
}

export function replayProgress(api: HttpApi, request: string): Promise<ReplayProgress> {
  return api.get(`/dead-letters/replays/${request}`)
}

/** The replay is carried out although nobody learns of it: whoever asked for it is told where to look. */
async function asked<Answer>(request: string, answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof HttpApiError)) throw error
    const { code, status, message } = error
    throw new HttpApiError(
      `${message}\n  replay ${request} goes on: "fairlead dlq replays --request ${request}" tells how far it is`,
      { code, status, cause: error },
    )
  }
}

type Versions = {
  readonly projections: readonly {
    readonly version: number
    readonly state: string
    readonly reason: string | null
    readonly pausedBy: string | null
  }[]
}

async function obstacleOf(
  api: HttpApi,
  { projection, version }: ReplayProgress,
): Promise<string | undefined> {
  const { projections } = await api.get<Versions>(projectionPath(projection, ''))
  const of = projections.find((each) => each.version === version)
  const name = `${projection} v${version}`
  if (of === undefined) return undefined
  if (of.pausedBy !== null) {
    return `${name} is paused by ${of.pausedBy}: the replay waits for "fairlead projection resume ${projection}"`
  }
  return of.reason === null ? undefined : `${name} is ${of.state}: ${of.reason}`
}
