import { checkSubject, failed, success } from '@fairlead/schemas'
import type { FastifyInstance } from 'fastify'
import { registrationEntity, schemaEntity } from './entities.ts'
import type { RegistryRequests } from './registry-requests.ts'
import { flag, page, queryText, schemaRequestOf, subjectOf, versionOf } from './request.ts'

/** `/subjects`: registration, lookup, versions, deletes. */
export function subjectRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  http.get('/subjects', async (request) => {
    const visibility = visibilityOf(request)
    const prefix = queryText(request, 'subjectPrefix') ?? ''
    const subjects = await requests.read((view) => success(view.subjects(visibility)))
    return page(request, subjects.filter(matchesPrefix(prefix)))
  })

  http.post('/subjects/:subject', async (request) => {
    const [subject, body] = [subjectOf(request), schemaRequestOf(request)]
    const deleted = flag(request, 'deleted')
    return schemaEntity(
      await requests.read(() => requests.registry.lookup(subject, body, { deleted })),
    )
  })

  http.delete('/subjects/:subject', async (request) => {
    const [subject, permanent] = [subjectOf(request), flag(request, 'permanent')]
    return requests.write((registry) => registry.decideDeleteSubject(subject, { permanent }))
  })

  http.get('/subjects/:subject/versions', async (request) => {
    const [subject, visibility] = [subjectOf(request), visibilityOf(request)]
    const versions = await requests.read((view) => {
      const found = view.versions(subject, visibility)
      if (found.length > 0) return success(found)
      return failed('SUBJECT_NOT_FOUND', `Subject '${subject}' not found.`)
    })
    return page(
      request,
      versions.map(({ version }) => version),
    )
  })

  http.post('/subjects/:subject/versions', async (request) => {
    const [subject, body] = [subjectOf(request), schemaRequestOf(request)]
    return registrationEntity(
      await requests.write((registry) => registry.decideRegister(subject, body)),
    )
  })

  versionRoutes(http, requests)
}

function versionRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  http.get('/subjects/:subject/versions/:version', async (request) => {
    const [subject, version] = [subjectOf(request), versionOf(request)]
    const visibility = visibilityOf(request)
    return schemaEntity(
      await requests.read((view) => {
        const named = checkSubject(subject)
        return named.ok ? view.version(subject, version, visibility) : named
      }),
    )
  })

  http.get('/subjects/:subject/versions/:version/schema', async (request, reply) => {
    const [subject, version] = [subjectOf(request), versionOf(request)]
    const visibility = visibilityOf(request)
    const { schema } = await requests.read((view) => view.version(subject, version, visibility))
    return reply.serializer(String).send(schema)
  })

  http.get('/subjects/:subject/versions/:version/referencedby', async (request) => {
    const [subject, version] = [subjectOf(request), versionOf(request)]
    const ids = await requests.read((view) => {
      const found = view.version(subject, version, { deleted: true })
      if (!found.ok) return found
      const referrers = view.image.referrers(subject, found.value.version)
      return success([...new Set(referrers.map(({ schemaId }) => schemaId))])
    })
    return page(request, ids)
  })

  http.delete('/subjects/:subject/versions/:version', async (request) => {
    const [subject, version] = [subjectOf(request), versionOf(request)]
    const permanent = flag(request, 'permanent')
    return requests.write((registry) =>
      registry.decideDeleteVersion(subject, version, { permanent }),
    )
  })
}

function visibilityOf(request: Parameters<typeof flag>[0]): {
  readonly deleted: boolean
  readonly deletedOnly: boolean
} {
  return { deleted: flag(request, 'deleted'), deletedOnly: flag(request, 'deletedOnly') }
}

/** `:*:` before the prefix means all contexts, and `:.:` the default one. */
export function matchesPrefix(text: string): (subject: string) => boolean {
  const prefix = text.replace(/^:(\*|\.):/, '')
  return (subject) => subject.startsWith(prefix)
}
