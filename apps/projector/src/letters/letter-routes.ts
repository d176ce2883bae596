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
  refuseFollower,
  requestReplay,
} from '../store/letter-orders.ts'
import {
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
import { DRY_RUN_TOO_LONG, STOPS_PROJECTION } from './dry-run.ts'
import { dryRunWhileWaitedFor } from './dry-run-selection.ts'
import { type Payloads, SCHEMAS_TIMEOUT_MS, encodeEdit } from './edit-value.ts'
import {
  type DecodedLetter,
  decodeLetter,
  letterJson,
  recordOfLetter,
  wholeLetterJson,
} from './letter-json.ts'
import {
  type ActionQuery,
  type CauseQuery,
  type KeyQuery,
  type LetterQuery,
  type OrderBody,
  type ReplayQuery,
  actionsSchema,
  causesSchema,
  discardSchema,
  dryRunSchema,
  editSchema,
  keysSchema,
  letterSchema,
  lettersSchema,
  replayRequestSchema,
  replaySchema,
  replaysSchema,
  takeBackSchema,
} from './letter-schemas.ts'

/** A record has 1 MiB by default, and its bytes up to six characters each as JSON. */
const EDIT_BYTES_MAX = 16_777_216
/** Of whole letters in one answer. As JSON they may be several times as long. */
const WHOLE_PAGE_BYTES_MAX = 4_194_304

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
  http.get<{ Querystring: LetterQuery }>(
    '/dead-letters',
    { schema: lettersSchema },
    ({ query: { after, whole = false, reveal = false, ...filter } }, reply) =>
      answering(reply, async () => {
        await refuseUnknown(db, filter)
        const page = { ...filter, afterId: BigInt(after) }
        if (whole) return wholeLetters(source, page, { reveal })
        return { deadLetters: (await listLetters(db, page)).map(letterJson) }
      }),
  )
  http.get<{ Querystring: KeyQuery }>(
    '/dead-letters/keys',
    { schema: keysSchema },
    ({ query }, reply) =>
      answering(reply, async () => {
        await refuseUnknown(db, query)
        const { keys, next } = await listParkedKeys(db, query)
        return { keys: keys.map((key) => ({ ...key, headId: idText(key.headId) })), next }
      }),
  )
  http.get<{ Querystring: CauseQuery }>(
    '/dead-letters/causes',
    { schema: causesSchema },
    ({ query }, reply) =>
      answering(reply, async () => {
        await refuseUnknown(db, query)
        return { causes: await listCauses(db, query) }
      }),
  )
  http.get<{ Querystring: ActionQuery }>(
    '/dead-letters/log',
    { schema: actionsSchema },
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
    { schema: letterSchema },
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
    { schema: replaySchema },
    ({ body }, reply) =>
      answering(reply, async () => {
        const ids = await findVersion(db, body.projection, body.version)
        return requestReplay(db, ids, selectionOf(body), body)
      }),
  )
  http.get<{ Params: { request: string } }>(
    '/dead-letters/replays/:request',
    { schema: replayRequestSchema },
    ({ params }, reply) => answering(reply, () => replayRequest(db, params.request)),
  )
  http.get<{ Querystring: ReplayQuery }>(
    '/dead-letters/replays',
    { schema: replaysSchema },
    ({ query }, reply) =>
      answering(reply, async () => {
        await refuseUnknown(db, query)
        return { replays: await listReplayRequests(db, query) }
      }),
  )
  http.post<{ Body: OrderBody }>(
    '/dead-letters/discard',
    { schema: discardSchema },
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
        return dryRunWhileWaitedFor(reply.raw, { db, runner, selection: selectionOf(body) })
      }),
  )
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
  NOT_EDITED: 409,
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
