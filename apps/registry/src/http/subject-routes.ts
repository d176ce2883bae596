import {
  DEFAULT_CONTEXT,
  checkSubject,
  contextOf,
  failed,
  metadataProperty,
  registrationOf,
  success,
} from '@fairlead/schemas'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { registrationEntity, schemaEntity, withReferenceFormat, withTags } from './entities.ts'
import { badRequest } from './errors.ts'
import type { RegistryRequests } from './registry-requests.ts'
import { flag, page, queryText, schemaRequestOf, subjectOf, versionOf } from './request.ts'
import { foundTags, registrationRequestOf, tagRequestOf } from './schema-tags.ts'

/** `/subjects`: registration, lookup, versions, deletes. */
export function subjectRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  http.get('/subjects', async (request) => {
    const visibility = visibilityOf(request)
    const prefix = queryText(request, 'subjectPrefix') ?? ''
    const subjects = await requests.read(request, (view, mayRead) =>
      success(view.subjects(visibility).filter(mayRead)),
    )
    return page(request, subjects.filter(matchesPrefix(prefix)))
  })

  http.post('/subjects/:subject', async (request) => {
    const [subject, body] = [subjectOf(request), schemaRequestOf(request)]
    const deleted = flag(request, 'deleted')
    const version = await requests.inquire(request, (view) =>
      success({ kind: 'lookup', subject: view.aliased(subject), request: body, deleted }),
    )
    const found = await requests.read(request, (view) =>
      view.version(view.aliased(subject), version, { deleted: true }),
    )
    const text = await requests.textOf(found, queryText(request, 'format'))
    return schemaEntity(found, requests.profile, text)
  })

  http.delete('/subjects/:subject', async (request) => {
    const [subject, permanent] = [subjectOf(request), flag(request, 'permanent')]
    return requests.write(request, (registry) =>
      registry.decideDeleteSubject(subject, { permanent }),
    )
  })

  http.get('/subjects/:subject/versions', async (request) => {
    const named = subjectOf(request)
    const [visibility, deletedAsNegative] = [
      visibilityOf(request),
      flag(request, 'deletedAsNegative'),
    ]
    const versions = await requests.read(request, (view) => {
      const subject = view.aliased(named)
      const found = view.versions(subject, visibility)
      if (found.length > 0) return success(found)
      return failed('SUBJECT_NOT_FOUND', `Subject '${subject}' not found.`)
    })
    return page(
      request,
      versions.map(({ version, isDeleted }) =>
        isDeleted && deletedAsNegative ? -version : version,
      ),
    )
  })

  http.post('/subjects/:subject/versions', async (request) => {
    const [subject, body] = [subjectOf(request), registrationRequestOf(request)]
    const registered = await requests.register(request, subject, () => success(body))
    const text = await requests.textOf(registered, queryText(request, 'format'))
    return registrationEntity(registered, requests.profile, text)
  })

  http.get('/subjects/:subject/metadata', async (request) => {
    const named = subjectOf(request)
    const wanted = metadataPairs(request)
    const visibility = visibilityOf(request)
    const found = await requests.read(request, (view) => {
      const subject = view.aliased(named)
      const versions = view.versions(subject, visibility)
      if (versions.length === 0) {
        return failed('SUBJECT_NOT_FOUND', `Subject '${subject}' not found.`)
      }
      const latest = versions.findLast((version) =>
        wanted.every(([key, value]) => metadataProperty(version, key) === value),
      )
      return latest === undefined ? failed('SCHEMA_NOT_FOUND', 'Schema not found') : success(latest)
    })
    const text = await requests.textOf(found, queryText(request, 'format'))
    return schemaEntity(found, requests.profile, text)
  })

  versionRoutes(http, requests)
}

/** `key` and `value`, each as often as the other. */
function metadataPairs(request: FastifyRequest): (readonly [string, string])[] {
  const query = request.query as Readonly<Record<string, unknown>>
  const [keys = [], values = []] = ['key', 'value'].map((name) =>
    [Object.hasOwn(query, name) ? query[name] : []].flat().map(String),
  )
  if (keys.length !== values.length) throw badRequest('"key" and "value" come in pairs')
  return keys.map((key, index) => [key, values[index] ?? ''] as const)
}

function versionRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  http.get('/subjects/:subject/versions/:version', async (request) => {
    const [subject, version] = [subjectOf(request), versionOf(request)]
    const deleted = flag(request, 'deleted')
    const found = await requests.read(request, (view) => {
      const named = checkSubject(subject)
      return named.ok ? view.version(view.aliased(subject), version, { deleted }) : named
    })
    const text = await requests.textOf(found, queryText(request, 'format'))
    const schemaTags = await foundTags(request, requests, found)
    const entity = withTags(schemaEntity(found, requests.profile, text), schemaTags)
    return withReferenceFormat(entity, {
      subject: found.subject,
      format: queryText(request, 'referenceFormat'),
    })
  })

  http.get('/subjects/:subject/versions/:version/schema', async (request, reply) => {
    const [subject, version] = [subjectOf(request), versionOf(request)]
    const deleted = flag(request, 'deleted')
    const found = await requests.read(request, (view) =>
      view.version(view.aliased(subject), version, { deleted }),
    )
    const text = await requests.textOf(found, queryText(request, 'format'))
    return reply.serializer(String).send(text)
  })

  http.post('/subjects/:subject/versions/:version/tags', async (request) => {
    const [subject, version] = [subjectOf(request), versionOf(request)]
    const body = tagRequestOf(request)
    const registered = await requests.register(request, subject, (view, named) => {
      const checked = checkSubject(subject)
      return checked.ok ? registrationOf(view, { subject: named, version }, body) : checked
    })
    return registrationEntity(registered, requests.profile, registered.schema)
  })

  http.get('/subjects/:subject/versions/:version/referencedby', async (request) => {
    const [named, version] = [subjectOf(request), versionOf(request)]
    const deleted = flag(request, 'deleted')
    const ids = await requests.read(request, (view) => {
      const found = view.version(view.aliased(named), version, { deleted: true })
      if (!found.ok) return found
      const { subject } = found.value
      const referrers = view.image.referrers(subject, found.value.version, { deleted })
      const schemaIds = new Set(referrers.map(({ schemaId }) => schemaId))
      return success([...schemaIds].sort((left, right) => left - right))
    })
    return page(request, ids)
  })

  http.delete('/subjects/:subject/versions/:version', async (request) => {
    const [subject, version] = [subjectOf(request), versionOf(request)]
    const permanent = flag(request, 'permanent')
    return requests.write(request, (registry) =>
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
  const [, scope = '', prefix = text] = /^(:\*:|:\.:)([^]*)$/.exec(text) ?? []
  if (scope === ':.:') {
    return (subject) => contextOf(subject) === DEFAULT_CONTEXT && subject.startsWith(prefix)
  }
  return (subject) => subject.startsWith(prefix)
}
