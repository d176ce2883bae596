import type { ServerResponse } from 'node:http'
import { OperationalError, errorMessage } from '@fairlead/base'
import { EventFailure } from '@fairlead/projection'
import type { AppContext, ConfigSpec } from '@fairlead/service'
import { inTime } from '../in-time.ts'
import { peerFailureOf } from '../peer-failures.ts'
import type { ProjectionRunner } from '../projection-runner.ts'
import type { Database } from '../store/database.ts'
import {
  LetterOrderError,
  type LetterSelection,
  type VersionIds,
  discardLetters,
  editLetter,
  findVersion,
  isProjection,
  keysOf,
  nothingSelected,
  refuseFollower,
  requestReplay,
} from '../store/letter-orders.ts'
import { readLettersOf, readParkedKeys } from '../store/letter-queue.ts'
import {
  KEY_PLACE_PATTERN,
  type LetterFilter,
  type WholeLetter,
  findLetter,
  listActions,
  listCauses,
  listLetters,
  listParkedKeys,
  listWholeLetters,
} from '../store/list-letters.ts'
import { listReplayRequests, replayRequest } from '../store/replay-requests.ts'
import { DRY_RUN_TOO_LONG, type DryRun, STOPS_PROJECTION, dryRun } from './dry-run.ts'
import { type Payloads, SCHEMAS_TIMEOUT_MS, encodeEdit } from './edit-value.ts'
import {
  type DecodedLetter,
  decodeLetter,
  letterJson,
  recordOfLetter,
  wholeLetterJson,
} from './letter-json.ts'

/** Clients wait for 30 s. */
const DRY_RUN_TIMEOUT_MS = 25_000
/** A record has 1 MiB by default, and its bytes up to six characters each as JSON. */
const EDIT_BYTES_MAX = 16_777_216
const LIMIT_DEFAULT = 100
const LIMIT_MAX = 1_000
/** Of whole letters in one answer. As JSON they may be several times as long. */
const WHOLE_PAGE_BYTES_MAX = 4_194_304
const RATE_MAX = 1_000_000
const VERSION_MAX = 2 ** 31 - 1
/** Most of it is the name of a topic, which has 249 characters at most. */
const KEY_PLACE_LENGTH_MAX = 350
const AGE_MAX_MS = 100 * 365 * 86_400_000

const limit = { type: 'integer', minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT } as const
const version = {
  anyOf: [{ type: 'integer', minimum: 1, maximum: VERSION_MAX }, { const: 'live' }],
} as const
const fingerprint = { type: 'string', pattern: '^[0-9a-f]{16}$' } as const
// Postgres has no text with NUL in it.
const text = { type: 'string', pattern: '^[^\\u0000]*$' } as const
const filledText = { ...text, minLength: 1, maxLength: 1_000 } as const
// No tenant is empty: keys without one have none.
const tenant = { ...text, minLength: 1 } as const
const request = { type: 'string', pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' } as const
const letterId = { type: 'string', pattern: '^\\d{1,18}$' } as const

const querySchema = (properties: Readonly<Record<string, object>>) => ({
  querystring: { type: 'object', additionalProperties: false, properties },
})

const idSchema = {
  params: { type: 'object', required: ['id'], properties: { id: letterId } },
} as const

type LetterQuery = {
  readonly projection?: string
  readonly version?: number | 'live'
  readonly key?: string
  readonly tenant?: string
  readonly kind?: 'failed' | 'blocked'
  readonly fingerprint?: string
  readonly errorClass?: string
  readonly limit: number
  readonly after: string
  readonly whole?: boolean
  readonly reveal?: boolean
}

type KeyQuery = {
  readonly projection?: string
  readonly version?: number | 'live'
  readonly tenant?: string
  readonly fingerprint?: string
  readonly errorClass?: string
  readonly olderThanMs?: number
  readonly limit: number
  readonly after?: string
}

type VersionQuery = Pick<LetterQuery, 'projection' | 'version' | 'limit'>

type CauseQuery = VersionQuery & Pick<LetterQuery, 'tenant'>

type ActionQuery = VersionQuery &
  Pick<LetterQuery, 'key'> & {
    readonly after?: string
  }

type ReplayQuery = VersionQuery & {
  readonly after?: string
}

/** What an order is about, and who gives it. */
type OrderBody = {
  readonly projection: string
  readonly version?: number | 'live'
  readonly id?: string
  readonly key?: string
  readonly tenant?: string
  readonly fingerprint?: string
  readonly errorClass?: string
  readonly all?: true
  readonly actor: string
  readonly reason: string
  readonly lettersPerSecond?: number
}

const SELECTORS = ['id', 'key', 'tenant', 'fingerprint', 'errorClass', 'all'] as const

const orderSchema = (properties: Readonly<Record<string, object>> = {}) => ({
  body: {
    type: 'object',
    required: ['projection', 'actor', 'reason'],
    additionalProperties: false,
    // One of them says which letters.
    oneOf: SELECTORS.map((name) => ({ required: [name] })),
    properties: {
      projection: text,
      version,
      id: letterId,
      key: text,
      tenant,
      fingerprint,
      errorClass: filledText,
      all: { const: true },
      actor: filledText,
      reason: filledText,
      ...properties,
    },
  },
})

const dryRunSchema = {
  body: { ...orderSchema().body, required: ['projection'] },
}

const actorProperties = { actor: filledText, reason: filledText } as const

const editSchema = {
  ...idSchema,
  body: {
    type: 'object',
    required: ['value', 'actor', 'reason'],
    additionalProperties: false,
    properties: { value: { type: 'object' }, ...actorProperties },
  },
} as const

const takeBackSchema = {
  ...idSchema,
  body: {
    type: 'object',
    required: ['actor', 'reason'],
    additionalProperties: false,
    properties: actorProperties,
  },
} as const

export type LetterRouteSource = {
  readonly db: Database
  readonly runners: () => readonly ProjectionRunner[]
  readonly payloads: Payloads
}

/**
 * Dead letters, whichever process has their partition:
 *
 * - `GET /dead-letters`: letters in the order in which they were set aside; `after` is the `id` of the
 *   last one of the page before. With `whole=true` each is as under `/dead-letters/:id`, with `reveal`; a page
 *   has no more than fit, and `next` is where to go on, null behind the last one.
 * - `GET /dead-letters/:id?reveal=`: one letter with its value decoded. Personal data and raw bytes with
 *   `reveal=true` only.
 * - `GET /dead-letters/keys`, `/causes`, `/log`: parked keys, failures by fingerprint, what was done. For
 *   keys `after` is `next` of the page before; for the log, newest first, the `id` of its last one.
 * - `POST /dead-letters/replay`, `/discard`: orders, with actor and reason. A replay is carried out by
 *   the owners of the partitions: `GET /dead-letters/replays/:request` tells how far it is, and
 *   `GET /dead-letters/replays` of all, newest first; `after` is the `request` of the page's last one.
 * - `POST /dead-letters/dry-run`: what a replay would change, found out in a transaction that is
 *   rolled back.
 * - `PUT` and `DELETE /dead-letters/:id/value`: what is applied in the place of the original.
 */
export function addLetterRoutes(
  http: AppContext<ConfigSpec>['http'],
  source: LetterRouteSource,
): void {
  addLists(http, source)
  addOrders(http, source)
  addEdits(http, source)
}

function addLists(http: AppContext<ConfigSpec>['http'], source: LetterRouteSource): void {
  const { db } = source
  const { querystring } = querySchema({
    projection: text,
    version,
    key: text,
    tenant,
    kind: { enum: ['failed', 'blocked'] },
    fingerprint,
    errorClass: text,
    limit,
    after: { ...letterId, default: '0' },
    whole: { type: 'boolean' },
    reveal: { type: 'boolean' },
  })
  const letterSchema = { querystring: { ...querystring, dependencies: { reveal: ['whole'] } } }
  http.get<{ Querystring: LetterQuery }>(
    '/dead-letters',
    { schema: letterSchema },
    ({ query: { after, whole = false, reveal = false, ...filter } }, reply) =>
      answering(reply, async () => {
        await refuseUnknown(db, filter)
        const page = { ...filter, afterId: BigInt(after) }
        if (whole) return wholeLetters(source, page, { reveal })
        return { deadLetters: (await listLetters(db, page)).map(letterJson) }
      }),
  )
  const keySchema = querySchema({
    projection: text,
    version,
    tenant,
    fingerprint,
    errorClass: text,
    olderThanMs: { type: 'integer', minimum: 0, maximum: AGE_MAX_MS },
    limit,
    after: { type: 'string', pattern: KEY_PLACE_PATTERN, maxLength: KEY_PLACE_LENGTH_MAX },
  })
  http.get<{ Querystring: KeyQuery }>(
    '/dead-letters/keys',
    { schema: keySchema },
    ({ query }, reply) =>
      answering(reply, async () => {
        await refuseUnknown(db, query)
        const { keys, next } = await listParkedKeys(db, query)
        return { keys: keys.map((key) => ({ ...key, headId: idText(key.headId) })), next }
      }),
  )
  http.get<{ Querystring: CauseQuery }>(
    '/dead-letters/causes',
    { schema: querySchema({ projection: text, version, tenant, limit }) },
    ({ query }, reply) =>
      answering(reply, async () => {
        await refuseUnknown(db, query)
        return { causes: await listCauses(db, query) }
      }),
  )
  http.get<{ Querystring: ActionQuery }>(
    '/dead-letters/log',
    { schema: querySchema({ projection: text, version, key: text, limit, after: letterId }) },
    ({ query: { after, ...filter } }, reply) =>
      answering(reply, async () => {
        await refuseUnknown(db, filter)
        const before = after === undefined ? {} : { beforeId: BigInt(after) }
        const actions = await listActions(db, { ...filter, ...before })
        return { actions: actions.map((action) => ({ ...action, id: idText(action.id) })) }
      }),
  )
  http.get<{ Params: { id: string }; Querystring: { reveal: boolean } }>(
    '/dead-letters/:id',
    { schema: { ...idSchema, ...querySchema({ reveal: { type: 'boolean', default: false } }) } },
    async ({ params, query }, reply) =>
      answering(reply, async () => {
        const letter = await letterOf(db, params.id)
        return wholeLetterJson(letter, await decode(source, letter, query), query)
      }),
  )
}

/** Schemas that several letters lack are asked for at once. */
async function wholeLetters(
  source: LetterRouteSource,
  page: LetterFilter,
  options: { readonly reveal: boolean },
) {
  const letters = await listWholeLetters(source.db, { ...page, bytesMax: WHOLE_PAGE_BYTES_MAX })
  const deadLetters = await Promise.all(
    letters.map(async (letter) =>
      wholeLetterJson(letter, await decode(source, letter, options), options),
    ),
  )
  return { deadLetters, next: idText(letters.at(-1)?.id ?? null) }
}

function addOrders(http: AppContext<ConfigSpec>['http'], source: LetterRouteSource): void {
  const { db } = source
  http.post<{ Body: OrderBody }>(
    '/dead-letters/replay',
    {
      schema: orderSchema({ lettersPerSecond: { type: 'integer', minimum: 1, maximum: RATE_MAX } }),
    },
    ({ body }, reply) =>
      answering(reply, async () => {
        const ids = await findVersion(db, body.projection, body.version)
        return requestReplay(db, ids, selectionOf(body), body)
      }),
  )
  http.get<{ Params: { request: string } }>(
    '/dead-letters/replays/:request',
    {
      schema: {
        params: { type: 'object', properties: { request } },
      },
    },
    ({ params }, reply) => answering(reply, () => replayRequest(db, params.request)),
  )
  http.get<{ Querystring: ReplayQuery }>(
    '/dead-letters/replays',
    { schema: querySchema({ projection: text, version, limit, after: request }) },
    ({ query }, reply) =>
      answering(reply, async () => {
        await refuseUnknown(db, query)
        return { replays: await listReplayRequests(db, query) }
      }),
  )
  http.post<{ Body: OrderBody }>(
    '/dead-letters/discard',
    { schema: orderSchema() },
    ({ body }, reply) =>
      answering(reply, async () => {
        const ids = await findVersion(db, body.projection, body.version)
        return discardLetters(db, ids, selectionOf(body), body)
      }),
  )
  http.post<{ Body: Omit<OrderBody, 'actor' | 'reason'> }>(
    '/dead-letters/dry-run',
    { schema: dryRunSchema },
    ({ body }, reply) =>
      answering(reply, async () => {
        const ids = await findVersion(db, body.projection, body.version)
        const runner = runnerOf(source, ids)
        if (body.id !== undefined) await refuseFollower(db, ids, BigInt(body.id))
        return whileWaitedFor(reply.raw, runner.signal, (signal) =>
          dryRunAll(db, runner, selectionOf(body), signal),
        )
      }),
  )
}

/** Its signal is aborted when it takes too long, when who has asked is gone, and when the projector stops. */
async function whileWaitedFor<T>(
  response: ServerResponse,
  stopping: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ended = new AbortController()
  const end = (message: string, code: string) => () =>
    ended.abort(new OperationalError(message, { code, retryable: true }))
  const late = end(`the dry run did not end within ${DRY_RUN_TIMEOUT_MS} ms`, DRY_RUN_TOO_LONG)
  const timer = setTimeout(late, DRY_RUN_TIMEOUT_MS)
  const gone = end('nobody waits for the answer', 'ECONNRESET')
  response.once('close', gone)
  const stopped = end('the projector stops', 'STOPPING')
  stopping.addEventListener('abort', stopped, { once: true })
  try {
    return await run(ended.signal)
  } finally {
    clearTimeout(timer)
    response.off('close', gone)
    stopping.removeEventListener('abort', stopped)
  }
}

/** Topics have no keys in common: each is tried out on its own. */
async function dryRunAll(
  db: Database,
  { registered, reader }: Pick<ProjectionRunner, 'registered' | 'reader'>,
  selection: LetterSelection,
  signal: AbortSignal,
) {
  const runs: DryRun[] = []
  for (const { topic } of registered.projection.sources) {
    const owner = { ...registered, topic }
    const { keys, isCut } = await readParkedKeys(
      db,
      owner,
      await keysOf(
        db,
        { projectionId: registered.projectionId, version: registered.projection.version },
        selection,
      ),
    )
    if (keys.length === 0) continue
    // A letter is replayed alone, and all other selections mean whole keys.
    const lettersLeft = selection.by === 'id' ? 1 : null
    const queue = await readLettersOf(
      db,
      owner,
      keys.map((key) => ({ ...key, lettersLeft })),
    )
    const run = await dryRun(db, owner, { reader, queue, signal })
    runs.push({ ...run, isCut: run.isCut || isCut })
  }
  if (runs.length === 0) throw nothingSelected(selection)
  return {
    appliedCount: runs.reduce((sum, { appliedCount }) => sum + appliedCount, 0),
    failed: runs.flatMap(({ failed }) =>
      failed.map(({ id, cause }) => ({ id: String(id), ...cause })),
    ),
    changes: runs.flatMap(({ changes }) => changes),
    isCut: runs.some(({ isCut }) => isCut),
  }
}

function addEdits(http: AppContext<ConfigSpec>['http'], source: LetterRouteSource): void {
  const { db, payloads } = source
  type Actor = { readonly actor: string; readonly reason: string }
  http.put<{ Params: { id: string }; Body: Actor & { readonly value: unknown } }>(
    '/dead-letters/:id/value',
    { schema: editSchema, bodyLimit: EDIT_BYTES_MAX },
    ({ params, body: { value: json, ...actor } }, reply) =>
      answering(reply, async () => {
        const letter = await letterOf(db, params.id)
        const { registered, reader } = runnerOf(source, letter)
        const { projection } = registered
        const record = recordOfLetter(letter)
        const eventType = letter.eventType ?? ''
        const edit = { projection, eventType, json, record, reader }
        await editLetter(db, { ...actor, id: letter.id, value: await encodeEdit(payloads, edit) })
        return { edited: params.id }
      }),
  )
  http.delete<{ Params: { id: string }; Body: Actor }>(
    '/dead-letters/:id/value',
    { schema: takeBackSchema },
    ({ params, body }, reply) =>
      answering(reply, async () => {
        await editLetter(db, { ...body, id: BigInt(params.id), value: null })
        return { takenBack: params.id }
      }),
  )
}

const STATUS = {
  NOT_FOUND: 404,
  NOT_THE_HEAD: 409,
  EDIT_REFUSED: 422,
} as const satisfies Readonly<Record<LetterOrderError['code'], number>>

type Reply = {
  code(status: number): { send(body: { readonly code: string; readonly message: string }): unknown }
}

async function answering(reply: Reply, answer: () => Promise<unknown>): Promise<unknown> {
  try {
    return await answer()
  } catch (error) {
    const [status, code] = statusOf(error)
    return reply.code(status).send({ code, message: errorMessage(error) })
  }
}

/** @throws the error itself when nobody but us can do something about it. */
function statusOf(error: unknown): readonly [status: number, code: string] {
  if (error instanceof LetterOrderError) return [STATUS[error.code], error.code]
  if (error instanceof EventFailure) return [409, STOPS_PROJECTION]
  if (error instanceof OperationalError && error.code === STOPS_PROJECTION) {
    return [409, STOPS_PROJECTION]
  }
  if (error instanceof OperationalError && error.code === DRY_RUN_TOO_LONG) return [409, 'BUSY']
  // A dry run does not wait for the batches of its projection for long.
  const failure = peerFailureOf(error)
  if (failure === undefined) throw error
  return failure
}

/** The schema of an order lets exactly one of them through. */
function selectionOf(body: Omit<OrderBody, 'actor' | 'reason'>): LetterSelection {
  if (body.id !== undefined) return { by: 'id', id: BigInt(body.id) }
  if (body.key !== undefined) return { by: 'key', key: body.key }
  if (body.tenant !== undefined) return { by: 'tenant', tenant: body.tenant }
  if (body.fingerprint !== undefined) return { by: 'fingerprint', fingerprint: body.fingerprint }
  if (body.errorClass !== undefined) return { by: 'errorClass', errorClass: body.errorClass }
  return { by: 'all' }
}

/** A typing error must not look like a projection without dead letters. */
async function refuseUnknown(
  db: Database,
  { projection }: { readonly projection?: string },
): Promise<void> {
  if (projection === undefined || (await isProjection(db, projection))) return
  throw new LetterOrderError(
    'NOT_FOUND',
    `there is no projection ${projection}: GET /projections lists those there are`,
  )
}

async function letterOf(db: Database, id: string): Promise<WholeLetter> {
  const letter = await findLetter(db, BigInt(id))
  if (letter !== undefined) return letter
  throw new LetterOrderError('NOT_FOUND', `there is no letter ${id}`)
}

/** The code of a version is only where it runs. */
function runnerOf({ runners }: LetterRouteSource, ids: VersionIds): ProjectionRunner {
  const runner = runners().find(
    ({ registered: { projection, projectionId } }) =>
      projectionId === ids.projectionId && projection.version === ids.version,
  )
  if (runner !== undefined) return runner
  throw new LetterOrderError(
    'NOT_FOUND',
    `version ${ids.version} does not run in this process: ask a projector that runs it`,
  )
}

async function decode(
  source: LetterRouteSource,
  letter: WholeLetter,
  options: { readonly reveal: boolean },
): Promise<DecodedLetter> {
  try {
    const { reader, registered } = runnerOf(source, letter)
    const { sources } = registered.projection
    return await inTime(() => decodeLetter({ reader, sources }, letter, options), {
      timeoutMs: SCHEMAS_TIMEOUT_MS,
      what: 'a look at the schemas in the registry',
    })
  } catch (error) {
    return { value: null, undecodable: String(error) }
  }
}

function idText(id: bigint | null): string | null {
  return id === null ? null : String(id)
}
