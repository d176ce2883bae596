import { randomUUID } from 'node:crypto'
import type { FastifyServerOptions } from 'fastify'

/** A schema beyond this size would not fit into a record of the topic anyway. */
const BODY_BYTES_MAX = 2 * 1024 * 1024
/** Encoded; Kafka's topic names alone may have 249 characters. */
const SUBJECT_LENGTH_MAX = 2_000

/**
 * The default context as the first part of the path, as clients with a base URL for a context send
 * it. `.` on its own rarely arrives, because most HTTP clients take it for the current folder.
 */
const DEFAULT_CONTEXT = /^\/contexts\/(?:\.|:\.:|%3a\.%3a)(?=\/)/i

export const SERVER_OPTIONS: FastifyServerOptions = {
  bodyLimit: BODY_BYTES_MAX,
  requestIdHeader: 'x-request-id',
  genReqId: () => randomUUID(),
  rewriteUrl: ({ url = '/' }) => url.replace(DEFAULT_CONTEXT, ''),
  routerOptions: { maxParamLength: SUBJECT_LENGTH_MAX, ignoreTrailingSlash: true },
}
