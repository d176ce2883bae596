import { errorMessage } from '@fairlead/base'
import { classifyPostgresError } from '@fairlead/postgres'
import { classifyFailure } from '@fairlead/projection'
import type { AppContext, ConfigSpec } from '@fairlead/service'

type PeerFailure = readonly [status: 409 | 503, code: 'BUSY' | 'UNAVAILABLE']

/** What is answered where another transaction, or a peer that is away, is all that is wrong. */
export function peerFailureOf(error: unknown): PeerFailure | undefined {
  const classes = new Set([classifyFailure(error, 'handler'), classifyPostgresError(error)])
  if (classes.has('contention')) return [409, 'BUSY']
  return classes.has('infra') ? [503, 'UNAVAILABLE'] : undefined
}

/** Has every route answer so that does not answer for itself. */
export function answerPeerFailures(
  http: AppContext<ConfigSpec>['http'],
  isStopping: () => boolean,
): void {
  http.setErrorHandler((error, _request, reply) => {
    const failure = peerFailureOf(error)
    if (failure !== undefined) {
      const [status, code] = failure
      return reply.code(status).send({ code, message: errorMessage(error) })
    }
    if (!isStopping() || isRequestAtFault(error)) throw error
    // Connections that it asks with are gone before those that it is asked by.
    const message = 'the projector is stopping: ask another one, or later'
    return reply.code(503).send({ code: 'UNAVAILABLE', message })
  })
}

function isRequestAtFault(error: unknown): boolean {
  const { statusCode } = error as { readonly statusCode?: number }
  return statusCode !== undefined && statusCode < 500
}
