import type { AppContext, ConfigSpec } from '@fairlead/service'
import type pg from 'pg'
import { requestSignal } from '../signals/request-signal.ts'
import { idParameter } from '../signals/signal-routes.ts'
import { type ParkedFilter, listParkedEvents, showParkedEvent } from './list-parked-events.ts'

const LIMIT_DEFAULT = 100
const LIMIT_MAX = 1_000

const filterQuery = {
  type: 'object',
  additionalProperties: false,
  properties: {
    state: { enum: ['parked', 'replayed', 'discarded'], default: 'parked' },
    kind: { enum: ['failed', 'blocked'] },
    aggregateType: { type: 'string' },
    aggregateId: { type: 'string' },
    limit: { type: 'integer', minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT },
    before: { type: 'string', pattern: '^\\d{1,18}$' },
  },
} as const

/** Which events: all, one aggregate's, or those of the aggregate that one event belongs to. */
const selection = {
  all: { const: true },
  parkedId: { type: 'string', pattern: '^\\d{1,18}$' },
  aggregateType: { type: 'string' },
  aggregateId: { type: 'string' },
} as const

const ONE_SELECTION = [
  { required: ['all'] },
  { required: ['parkedId'] },
  { required: ['aggregateType', 'aggregateId'] },
] as const

const replayBody = {
  type: 'object',
  additionalProperties: false,
  properties: { ...selection, topic: { type: 'string', minLength: 1, maxLength: 249 } },
  oneOf: ONE_SELECTION,
} as const

const discardBody = {
  type: 'object',
  additionalProperties: false,
  properties: selection,
  oneOf: ONE_SELECTION,
} as const

type Body = Readonly<Record<string, unknown>>

/**
 * - `GET /parked?state=&kind=&aggregateType=&aggregateId=&limit=&before=`: events that were set aside,
 *   newest first; `before` is the `parkedId` of the last one of the page before.
 * - `GET /parked/:id`: one of them, with its headers and its payload.
 * - `POST /parked/replay`: publishes them again in order, and releases their aggregates. `topic` names
 *   another topic than the one they were routed to.
 * - `POST /parked/discard`: gives them up. With `parkedId` that event alone.
 *
 * Both answer 202 with a signal, whose progress `GET /signals/:id` tells.
 */
export function addParkedRoutes(
  http: AppContext<ConfigSpec>['http'],
  { pool, slotName }: { readonly pool: pg.Pool; readonly slotName: string },
): void {
  http.get<{ Querystring: ParkedFilter }>(
    '/parked',
    { schema: { querystring: filterQuery } },
    async ({ query }) => ({ parked: await listParkedEvents(pool, slotName, query) }),
  )
  http.get<{ Params: { readonly id: string } }>(
    '/parked/:id',
    { schema: { params: idParameter } },
    async ({ params }, reply) => {
      const event = await showParkedEvent(pool, slotName, params.id)
      return event ?? reply.code(404).send({ message: `there is no parked event ${params.id}` })
    },
  )
  const orders = { replay: replayBody, discard: discardBody }
  for (const [verb, body] of Object.entries(orders)) {
    http.post<{ Body: Body }>(`/parked/${verb}`, { schema: { body } }, async (request, reply) => {
      const type = verb === 'replay' ? 'replay-parked' : 'discard-parked'
      const signalId = await requestSignal(pool, slotName, { type, data: request.body })
      return reply.code(202).send({ signalId })
    })
  }
}
