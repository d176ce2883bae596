import {
  type Association,
  LIFECYCLES,
  type Profile,
  type RegistryImage,
  type SchemaVersion,
  type SubjectView,
  WeightedCache,
  contextOf,
  failed,
  hasRuleOfType,
  success,
} from '@fairlead/schemas'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { associationEntity } from './association-entities.ts'
import { notFound } from './errors.ts'
import { schemaEntity, schemaStringEntity, withReferenceFormat, withTags } from './entities.ts'
import type { RegistryRequests } from './registry-requests.ts'
import { flag, page, querySubject, queryText, queryTexts, schemaIdOf } from './request.ts'
import { foundTags } from './schema-tags.ts'
import { matchesPrefix } from './subject-routes.ts'

/** Confluent's default and maximum. */
const SCHEMAS_PER_PAGE_MAX = 1_000

/** Kept of the schemas that are asked for: their answers never change. */
const BODIES_MAX = 10_000
const BODIES_LENGTH_MAX = 32_000_000

/** Answers by id, written once: consumers ask for the same few schemas over and over. */
class PlainBodies {
  readonly #profile: Profile
  readonly #texts = new WeightedCache<SchemaVersion, string>({
    countMax: BODIES_MAX,
    weightMax: BODIES_LENGTH_MAX,
  })

  constructor(profile: Profile) {
    this.#profile = profile
  }

  of(version: SchemaVersion): string {
    const known = this.#texts.get(version)
    if (known !== undefined) return known
    const text = JSON.stringify(
      schemaStringEntity(version, {
        profile: this.#profile,
        schema: version.schema,
        highestId: undefined,
      }),
    )
    this.#texts.set(version, text, text.length)
    return text
  }
}

/** `/schemas`: by id, by GUID, and all of them. */
export function schemaRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  http.get('/schemas/types', async () => ['JSON', 'PROTOBUF', 'AVRO'])

  http.get('/schemas', async (request) => {
    const matches = matchesPrefix(queryText(request, 'subjectPrefix') ?? '')
    const deleted = flag(request, 'deleted')
    const latestOnly = flag(request, 'latestOnly')
    const ruleType = queryText(request, 'ruleType') ?? ''
    const withAliases = flag(request, 'aliases')
    const associated = associatedFilter(request)
    const { versions, aliases } = await requests.read(request, (view, mayRead) => {
      const isListed = (subject: string): boolean => matches(subject) && mayRead(subject)
      const found = withAliases ? aliasesOf(view, isListed) : NO_ALIASES
      const ofSubjects = view
        .subjects({ deleted })
        .filter((subject) => mayRead(subject) && (matches(subject) || found.has(subject)))
        .filter((subject) => associated(view.image, subject) !== undefined)
        .flatMap((subject) =>
          view
            .versions(subject, { deleted })
            .filter((version) => ruleType === '' || hasRuleOfType(version, ruleType))
            .slice(latestOnly ? -1 : 0),
        )
      return success({ versions: ofSubjects, aliases: found })
    })
    const { image } = requests.registry.view
    return page(request, versions, SCHEMAS_PER_PAGE_MAX).map((version) => {
      const associations = associated(image, version.subject) ?? []
      return {
        ...schemaEntity(version, requests.profile),
        ...(aliases.has(version.subject) ? { aliases: aliases.get(version.subject) } : {}),
        ...(associations.length === 0 ? {} : { associations: associations.map(associationEntity) }),
      }
    })
  })

  const plainBodies = new PlainBodies(requests.profile)
  http.get('/schemas/ids/:id', (request, reply) => {
    const schemaId = schemaIdOf(request)
    const subject = querySubject(request)
    const found = requests.readAtOnce(request, (view, mayRead) =>
      view.schema(schemaId, subject, mayRead),
    )
    return found instanceof Promise
      ? found.then<object | string>((version) => answerById(request, reply, version))
      : answerById(request, reply, found)
  })

  const answerById = (
    request: FastifyRequest,
    reply: FastifyReply,
    found: SchemaVersion,
  ): Promise<object> | string => {
    const isPlain =
      queryText(request, 'format') === undefined &&
      queryText(request, 'referenceFormat') === undefined &&
      queryTexts(request, 'findTags').length === 0 &&
      !flag(request, 'fetchMaxId') &&
      !flag(request, 'includeSubjects')
    if (!isPlain) return entityById(request, found)
    void reply.serializer(String)
    return plainBodies.of(found)
  }

  const entityById = async (request: FastifyRequest, found: SchemaVersion): Promise<object> => {
    const { image } = requests.registry.view
    const [format, withMaxId] = [queryText(request, 'format'), flag(request, 'fetchMaxId')]
    const referenceFormat = queryText(request, 'referenceFormat')
    const entity = schemaStringEntity(found, {
      profile: requests.profile,
      schema: await requests.textOf(found, format),
      highestId: withMaxId ? image.highestId(contextOf(found.subject)) : undefined,
    })
    const schemaTags = await foundTags(request, requests, found)
    const qualified = withReferenceFormat(withTags(entity, schemaTags), {
      subject: found.subject,
      format: referenceFormat,
    })
    if (!flag(request, 'includeSubjects')) return qualified
    // Karapace's: its REST proxy finds out with it which subject an id stands for.
    return { ...qualified, subjects: subjectsOf(await holdersOf(requests, request)) }
  }

  http.get('/schemas/ids/:id/schema', async (request, reply) => {
    const schemaId = schemaIdOf(request)
    const subject = querySubject(request)
    const found = await requests.read(request, (view, mayRead) =>
      view.schema(schemaId, subject, mayRead),
    )
    const text = await requests.textOf(found, queryText(request, 'format'))
    return reply.serializer(String).send(text)
  })

  http.get('/schemas/ids/:id/subjects', async (request) => {
    const only = onlySubject(request)
    return page(
      request,
      subjectsOf(await holdersOf(requests, request)).filter(
        (subject) => only === undefined || subject === only,
      ),
    )
  })

  http.get('/schemas/ids/:id/versions', async (request) => {
    const holders = await holdersOf(requests, request)
    const only = onlySubject(request)
    return page(
      request,
      holders
        .filter(({ subject }) => only === undefined || subject === only)
        .map(({ subject, version }) => ({ subject, version })),
    )
  })

  guidRoutes(http, requests)
}

const NO_ALIASES: ReadonlyMap<string, readonly string[]> = new Map()

/** Subjects that are meant by an alias, and the aliases that match. */
function aliasesOf(
  view: SubjectView,
  matches: (subject: string) => boolean,
): ReadonlyMap<string, readonly string[]> {
  const aliases = view.image.subjectsWithSettings
    .filter((subject) => matches(subject) && view.aliased(subject) !== subject)
    .sort()
  return Map.groupBy(aliases, (alias) => view.aliased(alias))
}

/**
 * Of a subject, the associations that the query asks for, or undefined when it is not to be listed; none where
 * the query asks for no associations. `NONE` as a lifecycle means subjects without associations.
 */
function associatedFilter(
  request: FastifyRequest,
): (image: RegistryImage, subject: string) => readonly Association[] | undefined {
  const resourceType = queryText(request, 'resourceType')
  const associationTypes = queryTexts(request, 'associationType')
  const lifecycles = queryTexts(request, 'lifecycle')
  if (!lifecycles.every((each) => [...LIFECYCLES, 'NONE'].includes(each))) throw notFound()
  const isAsked = resourceType !== undefined || associationTypes.length + lifecycles.length > 0
  if (!isAsked) return () => []
  return ({ associations }, subject) => {
    const all = associations.ofSubject(subject, { resourceType, associationTypes })
    if (all.length === 0) return lifecycles.includes('NONE') ? [] : undefined
    if (lifecycles.length === 0) return all
    const found = all.filter(({ lifecycle }) => lifecycles.includes(lifecycle))
    return found.length === 0 ? undefined : found
  }
}

function guidRoutes(http: FastifyInstance, requests: RegistryRequests): void {
  const answer = async (found: SchemaVersion, format: string | undefined): Promise<object> =>
    schemaStringEntity(found, {
      profile: requests.profile,
      schema: await requests.textOf(found, format),
      highestId: undefined,
    })

  http.get<{ Params: { guid: string } }>('/schemas/guids/:guid', async (request) =>
    answer(
      await requests.read(request, (view, mayRead) =>
        view.schemaByGuid(request.params.guid, mayRead),
      ),
      queryText(request, 'format'),
    ),
  )

  http.get<{ Params: { guid: string } }>('/schemas/guids/:guid/ids', async (request) => {
    const { guid } = request.params
    const holders = await requests.read(request, (view, mayRead) => {
      const found = view.schemaByGuid(guid, mayRead)
      if (!found.ok) return found
      const all = view.image.withGuid(guid.toLowerCase())
      return success(all.filter(({ subject }) => mayRead(subject)))
    })
    const ids = new Map(holders.map(({ subject, schemaId }) => [contextOf(subject), schemaId]))
    return [...ids].map(([context, id]) => ({ context, id }))
  })
}

function holdersOf(
  requests: RegistryRequests,
  request: FastifyRequest,
): Promise<readonly SchemaVersion[]> {
  const [schemaId, subject] = [schemaIdOf(request), querySubject(request)]
  const deleted = flag(request, 'deleted')
  return requests.read(request, (view, mayRead) => {
    const holders = view.withId(schemaId, subject)
    if (holders.length === 0) return failed('SCHEMA_NOT_FOUND', `Schema ${schemaId} not found`)
    return success(
      holders.filter(({ isDeleted, subject: name }) => (deleted || !isDeleted) && mayRead(name)),
    )
  })
}

function subjectsOf(holders: readonly SchemaVersion[]): string[] {
  return [...new Set(holders.map(({ subject }) => subject))].sort()
}

/** The query's `subject`, unless it names a context alone. */
function onlySubject(request: FastifyRequest): string | undefined {
  const subject = querySubject(request)
  return subject === undefined || /^(?::\.[^:]*:)?$/.test(subject) ? undefined : subject
}
