import { DEFAULT_CONTEXT, contextOf, success } from '@fairlead/schemas'
import { REVISION } from '@fairlead/service'
import type { FastifyError, FastifyInstance } from 'fastify'
import { associationRoutes } from './association-routes.ts'
import { type OnCheck, compatibilityRoutes } from './compatibility-routes.ts'
import { type GuardOptions, useGuard } from '../security/guard.ts'
import type { RateLimits } from '../security/rate-limits.ts'
import type { ConsumerReaders } from '../readers/consumer-readers.ts'
import { handleError } from './errors.ts'
import { useErrorMediaType, useMediaTypes } from './media-types.ts'
import type { RegistryRequests } from './registry-requests.ts'
import { useOpenApi } from './openapi.ts'
import { page, parameter, queryText } from './request.ts'
import { readerRoutes } from './reader-routes.ts'
import { schemaRoutes } from './schema-routes.ts'
import { settingsRoutes } from './settings-routes.ts'
import { subjectRoutes } from './subject-routes.ts'

/** What `/v1/metadata` tells. */
export type RegistryMetadata = { readonly version: string; readonly clusterName: string }

/**
 * Confluent's REST API, profile 7 or 8. Encapsulated, so that health and metrics on the same server keep
 * their own media types and errors.
 */
export function registryRoutes(
  server: FastifyInstance,
  parts: {
    readonly requests: RegistryRequests
    readonly metadata: RegistryMetadata
    readonly readers: ConsumerReaders
    readonly onCheck: OnCheck
    /** False leaves `/associations` out. Default true. */
    readonly hasAssociations?: boolean
    /** Undefined lets everybody do everything. */
    readonly guard?: Omit<GuardOptions, 'requests' | 'limits'> | undefined
    /** Undefined lets everybody ask as often as they like. */
    readonly limits?: RateLimits | undefined
  },
): void {
  server.setErrorHandler((error: FastifyError, request, reply) => {
    useErrorMediaType(request, reply)
    handleError(error, request, reply)
  })
  server.setNotFoundHandler((request, reply) => {
    useErrorMediaType(request, reply)
    void reply.code(404).send({ error_code: 404, message: 'HTTP 404 Not Found' })
  })
  availabilityRoute(server, parts.requests)
  void server.register(async (http) => {
    useMediaTypes(http)
    const { guard, limits } = parts
    const requests =
      guard === undefined
        ? parts.requests
        : parts.requests.limitedTo(useGuard(http, { ...guard, limits, requests: parts.requests }))
    if (guard === undefined && limits !== undefined) {
      http.addHook('onRequest', ({ ip }, _reply, done) => {
        limits.take(`address ${ip}`)
        done()
      })
    }
    useOpenApi(http, parts.metadata.version)
    subjectRoutes(http, requests)
    schemaRoutes(http, requests)
    compatibilityRoutes(http, requests, parts)
    readerRoutes(http, requests, parts.readers)
    settingsRoutes(http, requests)
    const { hasAssociations = true } = parts
    if (hasAssociations) associationRoutes(http, requests)
    metadataRoutes(http, { requests, metadata: parts.metadata })
    refuseOtherMethods(http, hasAssociations ? [...PATHS, ...ASSOCIATION_PATHS] : PATHS)
  })
}

/**
 * What clients of Karapace ask before they write, in whatever media type and without a user: every
 * registry of ours writes, as soon as it has read what is in the topic.
 */
function availabilityRoute(server: FastifyInstance, requests: RegistryRequests): void {
  server.get('/master_available', async (_request, reply) => {
    void reply
      .type('application/json')
      .header('cache-control', 'no-store, no-cache, must-revalidate')
    return { master_available: requests.isCaughtUp }
  })
}

function metadataRoutes(
  http: FastifyInstance,
  {
    requests,
    metadata,
  }: { readonly requests: RegistryRequests; readonly metadata: RegistryMetadata },
): void {
  http.get('/', async () => ({}))
  http.post('/', async () => ({}))
  http.get('/contexts', async (request) => {
    const prefix = queryText(request, 'contextPrefix') ?? ''
    const subjects = await requests.read(request, (view) =>
      success(view.subjects({ deleted: true })),
    )
    const contexts = new Set([DEFAULT_CONTEXT, ...subjects.map(contextOf)])
    return page(
      request,
      [...contexts].filter((context) => context.startsWith(prefix)),
    )
  })
  http.delete('/contexts/:context', async (request, reply) => {
    const context = parameter(request, 'context').replace(/^:|:$/g, '')
    await requests.write(request, (registry) => registry.decideDeleteContext(context))
    return reply.code(204).send()
  })
  http.get('/v1/metadata/id', async () => {
    const kafka = await requests.clusterId()
    const clusters = {
      ...(kafka === null ? {} : { 'kafka-cluster': kafka }),
      'schema-registry-cluster': metadata.clusterName,
    }
    return { scope: { path: [], clusters } }
  })
  http.get('/v1/metadata/version', async () => ({
    version: metadata.version,
    commitId: REVISION,
  }))
  http.get('/v1/metadata/deployment', async () => ({ attributes: [] }))
}

const PATHS = [
  '/subjects',
  '/subjects/:subject',
  '/subjects/:subject/versions',
  '/subjects/:subject/versions/:version',
  '/subjects/:subject/versions/:version/schema',
  '/subjects/:subject/versions/:version/referencedby',
  '/subjects/:subject/versions/:version/tags',
  '/subjects/:subject/metadata',
  '/schemas',
  '/schemas/ids/:id',
  '/schemas/ids/:id/schema',
  '/schemas/ids/:id/subjects',
  '/schemas/ids/:id/versions',
  '/schemas/guids/:guid',
  '/schemas/guids/:guid/ids',
  '/schemas/types',
  '/compatibility/subjects/:subject/versions',
  '/compatibility/subjects/:subject/versions/:version',
  '/readers/ids/:id',
  '/readers/guids/:guid',
  '/readers/subjects/:subject',
  '/config',
  '/config/:subject',
  '/mode',
  '/mode/:subject',
  '/contexts',
  '/contexts/:context',
]
const ASSOCIATION_PATHS = [
  '/associations',
  '/associations::batchGet',
  '/associations::batchMutate',
  '/associations/subjects/:subject',
  '/associations/resources/:id',
  '/associations/resources/:namespace/:name',
]
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'] as const

/** A known path with another method is 405, not 404. */
function refuseOtherMethods(http: FastifyInstance, paths: readonly string[]): void {
  for (const url of paths) {
    const method = METHODS.filter((candidate) => !http.hasRoute({ method: candidate, url }))
    http.route({
      method,
      url,
      config: { isRefusal: true },
      handler: (_request, reply) =>
        reply.code(405).send({ error_code: 405, message: 'HTTP 405 Method Not Allowed' }),
    })
  }
}
