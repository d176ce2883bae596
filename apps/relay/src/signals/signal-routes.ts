import type { AppContext, ConfigSpec } from '@fairlead/service'
import type pg from 'pg'
import type { SignalType } from './signals.ts'
import { listSignals, readSignal, requestSignal } from './request-signal.ts'

const SIGNALS_LIMIT_DEFAULT = 100
const SIGNALS_LIMIT_MAX = 1_000

export const idParameter = {
  type: 'object',
  properties: { id: { type: 'string', pattern: '^\\d{1,18}$' } },
} as const

const limitQuery = {
  type: 'object',
  additionalProperties: false,
  properties: {
    limit: {
      type: 'integer',
      minimum: 1,
      maximum: SIGNALS_LIMIT_MAX,
      default: SIGNALS_LIMIT_DEFAULT,
    },
  },
} as const

const signalBody = {
  type: 'object',
  required: ['type'],
  additionalProperties: false,
  properties: {
    type: {
      enum: [
        'replay-table',
        'reset-position',
        'execute-snapshot',
        'stop-snapshot',
        'pause-snapshot',
        'resume-snapshot',
      ],
    },
    data: { type: 'object', default: {} },
  },
} as const

type SignalBody = {
  readonly type: SignalType
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * - `GET /signals?limit=`: the latest orders to the relay of this slot, newest first.
 * - `GET /signals/:id`: how far one has come.
 * - `POST /signals`: gives one; answers 202 with its id.
 */
export function addSignalRoutes(
  http: AppContext<ConfigSpec>['http'],
  { pool, slotName }: { readonly pool: pg.Pool; readonly slotName: string },
): void {
  http.get<{ Querystring: { readonly limit: number } }>(
    '/signals',
    { schema: { querystring: limitQuery } },
    async ({ query }) => ({ signals: await listSignals(pool, slotName, query.limit) }),
  )
  http.post<{ Body: SignalBody }>(
    '/signals',
    { schema: { body: signalBody } },
    async ({ body }, reply) =>
      reply.code(202).send({ signalId: await requestSignal(pool, slotName, body) }),
  )
  http.get<{ Params: { readonly id: string } }>(
    '/signals/:id',
    { schema: { params: idParameter } },
    async ({ params }, reply) => {
      const signal = await readSignal(pool, slotName, params.id)
      return signal ?? reply.code(404).send({ message: `there is no signal ${params.id}` })
    },
  )
}
