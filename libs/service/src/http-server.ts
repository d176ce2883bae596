import type { Server } from 'node:http'
import Fastify, { type FastifyHttpOptions, type FastifyInstance } from 'fastify'
import type { Health } from './health.ts'
import type { Metrics } from './metrics.ts'
import { REVISION } from './revision.ts'
import { OPEN_METRICS_CONTENT_TYPE, openMetricsText, prefersOpenMetrics } from './open-metrics.ts'

/** A health check that does not answer within this time counts as failed for any prober. */
const CONNECTION_TIMEOUT_MS = 30_000

/**
 * The HTTP server of an app, with the endpoints that every app has: `/healthz` (alive), `/readyz`
 * (every check passes, or 503 with the reasons), `/metrics` (Prometheus, or OpenMetrics for who prefers it) and `/version`.
 */
export function createHttpServer(options: {
  readonly name: string
  readonly version: string
  readonly health: Health
  readonly metrics: Metrics
  readonly fastify?: FastifyHttpOptions<Server>
}): FastifyInstance {
  const { health, metrics, name, version } = options
  const server = Fastify({
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    forceCloseConnections: true,
    ...options.fastify,
  })
  metrics.measureRequests(server)

  server.get('/healthz', () => ({ status: 'ok' }))
  server.get('/readyz', (_request, reply) =>
    reply
      .code(health.isReady ? 200 : 503)
      .send({ status: health.isReady ? 'ready' : 'not ready', checks: health.report() }),
  )
  server.get('/metrics', async ({ headers: { accept } }, reply) => {
    void reply.header('vary', 'accept')
    return prefersOpenMetrics(accept)
      ? reply.type(OPEN_METRICS_CONTENT_TYPE).send(await openMetricsText(metrics.registry))
      : reply.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  })
  server.get('/version', () => ({
    service: name,
    version,
    revision: REVISION,
    node: process.version,
  }))
  return server
}
