import type { AppContext, ConfigSpec } from '@fairlead/service'
import type pg from 'pg'
import { listSignals, readSignal } from './request-signal.ts'

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

/**
 * - `GET /signals?limit=`: the latest orders to the relay of this slot, newest first.
 * - `GET /signals/:id`: how far one has come.
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
  http.get<{ Params: { readonly id: string } }>(
    '/signals/:id',
    { schema: { params: idParameter } },
    async ({ params }, reply) => {
      const signal = await readSignal(pool, slotName, params.id)
      return signal ?? reply.code(404).send({ message: `there is no signal ${params.id}` })
    },
  )
}
