import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Server } from 'node:http'
import type { FastifyHttpOptions } from 'fastify'
import { withoutContextPath } from './context-path.ts'
import { handleError } from './errors.ts'
import { MEDIA_TYPES, useErrorMediaType } from './media-types.ts'

/** From its first byte to its last; Confluent's clients give up after 60 s. */
const REQUEST_TIMEOUT_MS = 30_000
/** How often the server looks for requests that take longer. */
const TIMEOUT_CHECK_MS = 1_000
/** Encoded; Kafka's topic names alone may have 249 characters. */
const SUBJECT_LENGTH_MAX = 2_000

export const SERVER_OPTIONS: FastifyHttpOptions<Server> = {
  requestTimeout: REQUEST_TIMEOUT_MS,
  http: {
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    // Node takes the greater of the two for the request, and this is 60 s by itself.
    headersTimeout: REQUEST_TIMEOUT_MS,
    // Without a host it is answered all the same: Node's own refusal would have no body.
    requireHostHeader: false,
  },
  clientErrorHandler: refuseUnreadable,
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

/** What is no HTTP, or takes too long to become a request, has the only error body as well. */
function refuseUnreadable(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, phrase] = STATUS_OF_CLIENT_ERRORS[error.code ?? ''] ?? [400, 'Bad Request']
  const body = JSON.stringify({ error_code: status, message: `HTTP ${status} ${phrase}` })
  const head = `HTTP/1.1 ${status} ${phrase}\r\nConnection: close\r\nContent-Type: ${MEDIA_TYPES[0]}`
  socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

const STATUS_OF_CLIENT_ERRORS: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'Content Too Large'],
}
