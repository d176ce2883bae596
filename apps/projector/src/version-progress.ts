import type { CompletionRate } from '@fairlead/projection'
import { inTime } from './in-time.ts'
import type { Database } from './store/database.ts'
import { type Job, type JobPhase, latestJob } from './store/jobs.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'
import { type Version, followsLog, isRunning, readVersion, readVersions } from './store/versions.ts'
import { type LagLog, readLags } from './version-lag.ts'

/** Brokers that are away are asked again for as long as clients wait. */
const LAG_TIMEOUT_MS = 20_000

export type ProgressSource = {
  readonly db: Database
  readonly log: LagLog
  /** The versions whose code is here. */
  readonly registered: () => readonly RegisteredProjection[]
  /** How fast a version catches up, by its schema. */
  readonly rateOf: (schemaName: string) => CompletionRate | undefined
}

/** Of a rebuild from its order until its version is live. */
export async function progressOf(
  source: ProgressSource,
  name: string,
  version: number | undefined,
) {
  const { db } = source
  const of = await readVersion(db, { name, version: version ?? (await newestVersion(db, name)) })
  const job = await latestJob(db, { ...of, kind: 'rebuild' })
  const common = { name, version: of.version, state: of.state, reason: of.reason }
  if (!isRunning(of.state) || of.version < 0) {
    const code = of.state === 'retired' ? 'RETIRED' : (job?.code ?? null)
    return job === undefined
      ? { ...common, code, phase: null }
      : { ...common, code, ...progressJson(job) }
  }
  const { lagRecords, nextOffsets } = await lagOfVersion(source, of)
  const rate = source.rateOf(of.schemaName)
  const phase: JobPhase =
    of.state === 'catching_up' ? 'catching-up' : of.state === 'ready' ? 'ready' : 'live'
  return {
    ...common,
    code: null,
    phase,
    done: nextOffsets,
    total: nextOffsets + lagRecords,
    eventsPerSecond: rate?.perSecond ?? 0,
    eta: etaOf(rate, nextOffsets + lagRecords),
    parked: job === undefined ? 0 : Number(job.parked),
  }
}

function etaOf(rate: CompletionRate | undefined, total: number): string | null {
  const remainingMs = rate?.remainingMs(total) ?? null
  return remainingMs === null ? null : new Date(Date.now() + remainingMs).toISOString()
}

function progressJson(job: Job) {
  const { phase, done, total, perSecond, eta, parked } = job
  return {
    phase,
    done: Number(done),
    total: Number(total),
    eventsPerSecond: perSecond,
    eta: eta?.toISOString() ?? null,
    parked: Number(parked),
  }
}

export function jobJson(job: Job) {
  const { id, version, kind, state, code, reason, result, updatedAt } = job
  const about = { jobId: String(id), version, kind, state, code, reason, result }
  return { ...about, ...progressJson(job), updatedAt: updatedAt.toISOString() }
}

export async function lagOf(source: ProgressSource, name: string) {
  const versions = await readVersions(source.db, name)
  const following = versions.filter(followsLog)
  const lags = await Promise.all(
    following.map(async (of) => {
      const { version, state } = of
      return { version, state, ...(await lagOfVersion(source, of)) }
    }),
  )
  return { name, versions: lags }
}

async function lagOfVersion(source: ProgressSource, of: Version) {
  const code = source.registered().find(({ projectionId, projection: { version } }) => {
    return projectionId === of.projectionId && version === of.version
  })
  // Without the code here, the topics are those that somebody has begun.
  const topics = code?.projection.sources.map(({ topic }) => topic) ?? []
  const lags = await inTime(() => readLags(source, of, topics), {
    timeoutMs: LAG_TIMEOUT_MS,
    what: 'a look at the ends of the log',
  })
  const partitions = lags.map(({ eventTimeMs, ...lag }) => {
    const behindMs = eventTimeMs === null ? null : Math.max(0, Date.now() - eventTimeMs)
    const lagSeconds = lag.lagRecords === 0 ? 0 : behindMs === null ? null : behindMs / 1_000
    return { ...lag, lagSeconds }
  })
  return {
    lagRecords: partitions.reduce((sum, { lagRecords }) => sum + lagRecords, 0),
    nextOffsets: partitions.reduce((sum, { nextOffset }) => sum + nextOffset, 0),
    partitions,
  }
}

export async function newestVersion(db: Database, name: string): Promise<number> {
  const versions = await readVersions(db, name)
  return Math.max(...versions.map(({ version }) => version))
}
