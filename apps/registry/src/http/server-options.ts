import { randomUUID } from 'node:crypto'
import type { FastifyServerOptions } from 'fastify'
import { withoutContextPath } from './context-path.ts'
import { handleError } from './errors.ts'
import { useErrorMediaType } from './media-types.ts'

/** A schema beyond this size would not fit into a record of the topic anyway. */
const BODY_BYTES_MAX = 2 * 1024 * 1024
/** Encoded; Kafka's topic names alone may have 249 characters. */
const SUBJECT_LENGTH_MAX = 2_000

export const SERVER_OPTIONS: FastifyServerOptions = {
  bodyLimit: BODY_BYTES_MAX,
  requestIdHeader: 'x-request-id',
  genReqId: () => randomUUID(),
  // What never gets to a route, such as a path that is no UTF-8, has the only error body all the same.
  frameworkErrors: (error, request, reply) => {
    useErrorMediaType(request, reply)
    handleError(error, request, reply)
  },
  rewriteUrl: ({ url = '/' }) => withoutContextPath(url),
  routerOptions: { maxParamLength: SUBJECT_LENGTH_MAX, ignoreTrailingSlash: true },
}
