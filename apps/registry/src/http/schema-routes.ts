import { type SchemaVersion, failed, success } from '@fairlead/schemas'
import type { FastifyInstance } from 'fastify'
import { schemaEntity, schemaStringEntity } from './entities.ts'
import type { RegistryRequests } from './registry-requests.ts'
import { flag, page, queryText, schemaIdOf } from './request.ts'
import { matchesPrefix } from './subject-routes.ts'

/** Confluent's default and maximum. */
const SCHEMAS_PER_PAGE_MAX = 1_000

/** `/schemas`: by id, by GUID, and all of them. */
export function schemaRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  http.get('/schemas/types', async () => ['JSON', 'PROTOBUF', 'AVRO'])

  http.get('/schemas', async (request) => {
    const matches = matchesPrefix(queryText(request, 'subjectPrefix') ?? '')
    const deleted = flag(request, 'deleted')
    const latestOnly = flag(request, 'latestOnly')
    const versions = await requests.read((view) =>
      success(
        view
          .subjects({ deleted })
          .filter(matches)
          .flatMap((subject) => view.versions(subject, { deleted }).slice(latestOnly ? -1 : 0)),
      ),
    )
    return page(request, versions, SCHEMAS_PER_PAGE_MAX).map(schemaEntity)
  })

  http.get('/schemas/ids/:id', async (request) => {
    const schemaId = schemaIdOf(request)
    const found = await requests.read((view) => view.schema(schemaId))
    const withMaxId = flag(request, 'fetchMaxId')
    return schemaStringEntity(found, withMaxId ? requests.registry.view.image.highestId : undefined)
  })

  http.get('/schemas/ids/:id/schema', async (request, reply) => {
    const schemaId = schemaIdOf(request)
    const { schema } = await requests.read((view) => view.schema(schemaId))
    return reply.serializer(String).send(schema)
  })

  http.get('/schemas/ids/:id/subjects', async (request) => {
    const holders = await holdersOf(requests, schemaIdOf(request), flag(request, 'deleted'))
    const only = queryText(request, 'subject')
    const subjects = [...new Set(holders.map(({ subject }) => subject))].sort()
    return page(
      request,
      subjects.filter((subject) => only === undefined || subject === only),
    )
  })

  http.get('/schemas/ids/:id/versions', async (request) => {
    const holders = await holdersOf(requests, schemaIdOf(request), flag(request, 'deleted'))
    const only = queryText(request, 'subject')
    return page(
      request,
      holders
        .filter(({ subject }) => only === undefined || subject === only)
        .map(({ subject, version }) => ({ subject, version })),
    )
  })

  guidRoutes(http, requests)
}

function guidRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  const withGuid = (guid: string): Promise<SchemaVersion> =>
    requests.read((view) => view.schemaByGuid(guid))

  http.get<{ Params: { guid: string } }>('/schemas/guids/:guid', async (request) =>
    schemaStringEntity(await withGuid(request.params.guid), undefined),
  )

  http.get<{ Params: { guid: string } }>('/schemas/guids/:guid/ids', async (request) => {
    const { schemaId } = await withGuid(request.params.guid)
    return [{ context: '.', id: schemaId }]
  })
}

function holdersOf(
  requests: RegistryRequests,
  schemaId: number,
  deleted: boolean,
): Promise<readonly SchemaVersion[]> {
  return requests.read((view) => {
    const holders = view.image.withId(schemaId)
    if (holders.length === 0) return failed('SCHEMA_NOT_FOUND', `Schema ${schemaId} not found`)
    return success(holders.filter(({ isDeleted }) => deleted || !isDeleted))
  })
}
