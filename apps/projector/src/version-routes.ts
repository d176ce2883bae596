import { errorMessage } from '@fairlead/base'
import type { AppContext, ConfigSpec } from '@fairlead/service'
import { momentOf } from './moment.ts'
import { abortRebuild } from './store/abort-rebuild.ts'
import type { Database } from './store/database.ts'
import { type JobRequest, readJob, requestJob } from './store/jobs.ts'
import { promote, refuseUnbuilt, rollback } from './store/promote.ts'
import { registerMoment } from './store/register.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'
import { requestRebuild } from './store/request-rebuild.ts'
import { retire } from './store/retire.ts'
import {
  type Version,
  VersionError,
  isRunning,
  readVersion,
  readVersions,
  setPaused,
} from './store/versions.ts'
import {
  type ProgressSource,
  jobJson,
  lagOf,
  newestVersion,
  progressOf,
} from './version-progress.ts'

/** A read behind the swap sees no less than one before it. */
const PROMOTE_LAG_RECORDS_DEFAULT = 0
const PROMOTE_TIMEOUT_DEFAULT_MS = 15_000
const PROMOTE_TIMEOUT_MAX_MS = 25_000
/**
 * The socket of a request that takes longer is closed. A promotion ends the attempt that it is in, and looks after
 * its views, which takes up to 13 s; and clients are to be those who give up first.
 */
export const CONNECTION_TIMEOUT_MS: number = PROMOTE_TIMEOUT_MAX_MS + 35_000
const KEYS_MAX = 10_000
const KEY_LENGTH_MAX = 10_000
/** So many keys, but not all of them so long. */
const REBUILD_BYTES_MAX = 16_777_216
const SAMPLE_MAX = 100_000

const VERSION = {
  type: 'integer',
  minimum: -(2 ** 31),
  maximum: 2 ** 31 - 1,
  not: { const: 0 },
} as const

/** Who asks for it. */
const BY = { type: 'string', minLength: 1, maxLength: 200 } as const

const ACCEPT_LOST_EFFECTS = { acceptLostEffects: { type: 'boolean', default: false } } as const

const SWAP_PROPERTIES = {
  lagRecordsMax: { type: 'integer', minimum: 0, default: PROMOTE_LAG_RECORDS_DEFAULT },
  acceptParked: { type: 'boolean', default: false },
  ...ACCEPT_LOST_EFFECTS,
  timeoutMs: {
    type: 'integer',
    minimum: 0,
    maximum: PROMOTE_TIMEOUT_MAX_MS,
    default: PROMOTE_TIMEOUT_DEFAULT_MS,
  },
} as const

type SwapQuery = {
  readonly lagRecordsMax: number
  readonly acceptParked: boolean
  readonly acceptLostEffects: boolean
  readonly timeoutMs: number
}

const VERIFY_PROPERTIES = {
  sample: { type: 'integer', minimum: 1, maximum: SAMPLE_MAX },
  acceptMissingHistory: { type: 'boolean', default: false },
} as const

/** Of a promotion that compares rows with the log before, which takes as long as it takes to read that. */
const VERIFY_FIRST = { verify: { type: 'boolean', default: false }, ...VERIFY_PROPERTIES } as const

type VerifyOptions = { readonly sample?: number; readonly acceptMissingHistory: boolean }

type Name = { readonly name: string }
type OfVersion = { readonly version: number }
type OfVersionOrAll = { readonly version?: number }

export type VersionSource = ProgressSource & {
  /** A state was changed. */
  readonly onChange: () => void
}

/**
 * What operators do with versions. `:name` is a projection; answers of 404 and 409 have `code` and
 * `message`.
 *
 * - `POST /projections/:name/pause?version=&by=`, `…/resume?version=`: every process stops or goes on
 *   applying events, and keeps its partitions. Without a version: all of them.
 * - `POST /projections/:name/rebuild?version=&until=&acceptMissingHistory=`, with `{"keys": […]}` as
 *   body for some rows of a version that follows the log, and `tenant` where each has rows of its own. `GET` tells the progress.
 * - `POST /projections/:name/abort?version=&by=`: ends the rebuild of a version, which has failed then.
 * - `POST /projections/:name/promote?version=&lagRecordsMax=&acceptParked=&acceptLostEffects=&timeoutMs=`,
 *   `…/rollback`, `…/retire?version=&acceptLostEffects=`. With `verify=true` (and `sample`,
 *   `acceptMissingHistory`), a promotion is a job, which shows the version unless its rows differ from the log.
 * - `POST /projections/:name/verify?version=&sample=&acceptMissingHistory=`: compares rows with the log.
 * - `GET /projections/:name/lag`: how far each version is behind the end of the log, in every partition
 *   of its topics.
 * - `GET /projection-jobs/:id`: what was ordered, and what has become of it. Of one that failed, `code` and `reason`
 *   are what the answer of an order that is refused at once has as `code` and `message`.
 */
export function addVersionRoutes(
  http: AppContext<ConfigSpec>['http'],
  source: VersionSource,
): void {
  addSwapRoutes(http, source)
  addPauseRoutes(http, source)
  addJobRoutes(http, source)
  http.get<{ Params: Name }>('/projections/:name/lag', (request, reply) =>
    answer(reply, () => lagOf(source, request.params.name)),
  )
}

function addSwapRoutes(http: AppContext<ConfigSpec>['http'], source: VersionSource): void {
  const { db, onChange } = source
  http.post<{
    Params: Name
    Querystring: OfVersion & SwapQuery & VerifyOptions & { readonly verify: boolean }
  }>(
    '/projections/:name/promote',
    {
      schema: {
        querystring: query({ version: VERSION, ...SWAP_PROPERTIES, ...VERIFY_FIRST }, ['version']),
      },
    },
    (request, reply) =>
      answer(reply, async () => {
        const { version, verify, sample, acceptMissingHistory, ...swap } = request.query
        const verification = { ...(sample === undefined ? {} : { sample }), acceptMissingHistory }
        const of = { ...request.params, version }
        if (verify) {
          const found = await readVersion(db, of)
          refuseUnbuilt(found)
          expectCode(source, found)
          reply.code(202)
          return requestVerification(db, found, { ...verification, promote: swap })
        }
        if (sample !== undefined || acceptMissingHistory) {
          throw new VersionError(
            'BAD_ORDER',
            'sample and acceptMissingHistory say how rows are compared with the log: give verify=true, or leave them out',
          )
        }
        const promoted = await promote(db, { ...of, ...swap })
        onChange()
        return promoted
      }),
  )
  http.post<{ Params: Name; Querystring: SwapQuery }>(
    '/projections/:name/rollback',
    { schema: { querystring: query(SWAP_PROPERTIES) } },
    (request, reply) =>
      answer(reply, async () => {
        const promoted = await rollback(db, { ...request.params, ...request.query })
        onChange()
        return promoted
      }),
  )
  http.post<{ Params: Name; Querystring: OfVersion & Pick<SwapQuery, 'acceptLostEffects'> }>(
    '/projections/:name/retire',
    { schema: { querystring: query({ version: VERSION, ...ACCEPT_LOST_EFFECTS }, ['version']) } },
    (request, reply) =>
      answer(reply, async () => {
        const { tenantsLeft } = await retire(db, { ...request.params, ...request.query })
        onChange()
        return { retired: request.query.version, tenantsLeft }
      }),
  )
}

function addPauseRoutes(
  http: AppContext<ConfigSpec>['http'],
  { db, onChange }: VersionSource,
): void {
  const properties = { version: VERSION, by: BY }
  http.post<{ Params: Name; Querystring: OfVersionOrAll & { readonly by?: string } }>(
    '/projections/:name/pause',
    { schema: { querystring: query(properties) } },
    (request, reply) =>
      answer(reply, async () => {
        const { by = 'an operator', ...of } = request.query
        const paused = await setPaused(db, { ...request.params, ...of, pausedBy: by })
        onChange()
        return { paused }
      }),
  )
  http.post<{ Params: Name; Querystring: OfVersionOrAll }>(
    '/projections/:name/resume',
    { schema: { querystring: query({ version: VERSION }) } },
    (request, reply) =>
      answer(reply, async () => {
        const of = { ...request.params, ...request.query }
        const resumed = await setPaused(db, { ...of, pausedBy: null })
        onChange()
        return { resumed }
      }),
  )
}

type RebuildQuery = OfVersionOrAll & {
  readonly until?: string
  readonly acceptMissingHistory: boolean
}
type RebuildBody = { readonly keys?: readonly string[]; readonly tenant?: string } | null

const rebuildBody = {
  type: ['object', 'null'],
  additionalProperties: false,
  dependencies: { tenant: ['keys'] },
  properties: {
    tenant: { type: 'string', minLength: 1, pattern: '^[^\\u0000]*$' },
    keys: {
      type: 'array',
      minItems: 1,
      maxItems: KEYS_MAX,
      // Postgres has no text with NUL in it.
      items: { type: 'string', maxLength: KEY_LENGTH_MAX, pattern: '^[^\\u0000]*$' },
    },
  },
} as const

const rebuildQuery = query({
  version: VERSION,
  // A commit token is as long as a cookie may be.
  until: { type: 'string', minLength: 1, maxLength: 4_096 },
  acceptMissingHistory: { type: 'boolean', default: false },
})

type VerifyQuery = OfVersionOrAll & VerifyOptions

const verifyQuery = query({ version: VERSION, ...VERIFY_PROPERTIES })

function addJobRoutes(http: AppContext<ConfigSpec>['http'], source: VersionSource): void {
  const { db } = source
  http.post<{ Params: Name; Querystring: RebuildQuery; Body: RebuildBody }>(
    '/projections/:name/rebuild',
    {
      schema: { querystring: rebuildQuery, body: rebuildBody },
      bodyLimit: REBUILD_BYTES_MAX,
    },
    (request, reply) =>
      answer(reply, async () => {
        const { params, query: asked, body } = request
        const started = await startRebuild(source, params.name, { ...asked, ...body })
        source.onChange()
        reply.code(202)
        return started
      }),
  )
  http.get<{ Params: Name; Querystring: OfVersionOrAll }>(
    '/projections/:name/rebuild',
    { schema: { querystring: query({ version: VERSION }) } },
    (request, reply) =>
      answer(reply, () => progressOf(source, request.params.name, request.query.version)),
  )
  http.post<{ Params: Name; Querystring: OfVersion & { readonly by?: string } }>(
    '/projections/:name/abort',
    { schema: { querystring: query({ version: VERSION, by: BY }, ['version']) } },
    (request, reply) =>
      answer(reply, async () => {
        const { by = 'an operator', version } = request.query
        await abortRebuild(db, { ...request.params, version, abortedBy: by })
        source.onChange()
        return { aborted: version }
      }),
  )
  http.post<{ Params: Name; Querystring: VerifyQuery }>(
    '/projections/:name/verify',
    { schema: { querystring: verifyQuery } },
    (request, reply) =>
      answer(reply, async () => {
        const { version, sample, acceptMissingHistory } = request.query
        const of = await versionOrLive(db, request.params.name, version)
        refuseIdle(of)
        expectCode(source, of)
        reply.code(202)
        return requestVerification(db, of, {
          ...(sample === undefined ? {} : { sample }),
          acceptMissingHistory,
        })
      }),
  )
  http.get<{ Params: { readonly id: string } }>(
    '/projection-jobs/:id',
    {
      schema: {
        params: { type: 'object', properties: { id: { type: 'string', pattern: '^\\d{1,18}$' } } },
      },
    },
    async (request, reply) => {
      const job = await readJob(db, BigInt(request.params.id))
      if (job !== undefined) return jobJson(job)
      return reply
        .code(404)
        .send({ code: 'UNKNOWN_JOB', message: `there is no job ${request.params.id}` })
    },
  )
}

async function requestVerification(
  db: Database,
  { projectionId, version }: Version,
  request: JobRequest,
): Promise<{ readonly jobId: string; readonly version: number }> {
  const jobId = await requestJob(db, { projectionId, version, kind: 'verify', request })
  return { jobId: String(jobId), version }
}

type RebuildOrder = RebuildQuery & NonNullable<RebuildBody>

async function startRebuild(source: VersionSource, name: string, order: RebuildOrder) {
  const { db } = source
  const { version, keys, tenant, until, acceptMissingHistory } = order
  const accepted = acceptMissingHistory ? { acceptMissingHistory } : {}
  if (until !== undefined) {
    if (keys !== undefined) {
      throw new VersionError(
        'BAD_ORDER',
        'keys and until are two things: rows of a version that follows the log are folded anew, or a version of a moment is filled. Give one of them',
      )
    }
    const code = codeOf(source, name, version)
    const moment = await registerMoment(db, code, { ...accepted, ...momentOf(until) })
    return { ...moment, jobId: String(moment.jobId) }
  }
  if (keys !== undefined) {
    const of = await versionOrLive(db, name, version)
    refuseIdle(of)
    expectCode(source, of)
    const { projectionId } = of
    const request = { ...accepted, keys, ...(tenant === undefined ? {} : { tenant }) }
    const jobId = await requestJob(db, { projectionId, version: of.version, kind: 'keys', request })
    return { jobId: String(jobId), version: of.version }
  }
  const of = await readVersion(db, { name, version: version ?? (await newestVersion(db, name)) })
  // One that is filled already is so by somebody who has its code; the others are refused for what they are.
  if (of.state === 'ready' || of.state === 'failed') expectCode(source, of)
  const jobId = await requestRebuild(db, of, accepted)
  return { jobId: String(jobId), version: of.version }
}

function codeOf(
  { registered }: VersionSource,
  name: string,
  version: number | undefined,
): RegisteredProjection {
  const found = registered()
    .filter(({ projection }) => projection.name === name)
    .filter(({ projection }) => version === undefined || projection.version === version)
    .toSorted((a, b) => b.projection.version - a.projection.version)
  const [newest] = found
  if (newest !== undefined) return newest
  throw withoutCode(version === undefined ? name : `${name} v${version}`)
}

/** What is ordered without it waits, maybe for ever. The code of a moment is that of another version. */
function expectCode({ registered }: VersionSource, of: Version): void {
  const { projectionId, name, version } = of
  const isHere = registered().some(
    (each) => each.projectionId === projectionId && each.projection.version === version,
  )
  if (!isHere && version > 0) throw withoutCode(`${name} v${version}`)
}

function withoutCode(label: string): VersionError {
  return new VersionError(
    'UNKNOWN_VERSION',
    `this projector does not have the code of ${label}: ask one that has`,
  )
}

async function versionOrLive(
  db: Database,
  name: string,
  version: number | undefined,
): Promise<Version> {
  if (version !== undefined) return readVersion(db, { name, version })
  const versions = await readVersions(db, name)
  const live = versions.find((each) => each.version === each.liveVersion)
  if (live !== undefined) return live
  throw new VersionError('UNKNOWN_VERSION', `no version of ${name} is live: name one`)
}

function refuseIdle({ name, version, state }: Version): void {
  if (isRunning(state)) return
  throw new VersionError('NOT_BUILT', `${name} v${version} is ${state}: it has no rows to look at`)
}

const STATUS: Readonly<Partial<Record<VersionError['code'], number>>> = {
  UNKNOWN_PROJECTION: 404,
  UNKNOWN_VERSION: 404,
  BAD_MOMENT: 400,
  BAD_ORDER: 400,
}

async function answer<T>(
  reply: { code(status: number): { send(body: unknown): unknown } },
  carryOut: () => Promise<T>,
): Promise<unknown> {
  try {
    return await carryOut()
  } catch (error) {
    if (!(error instanceof VersionError)) throw error
    const { code } = error
    return reply.code(STATUS[code] ?? 409).send({ code, message: errorMessage(error) })
  }
}

function query(properties: Readonly<Record<string, object>>, required: readonly string[] = []) {
  return { type: 'object', additionalProperties: false, properties, required } as const
}
