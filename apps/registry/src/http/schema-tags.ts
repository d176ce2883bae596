import {
  ENTITY_TYPES,
  type SchemaRequest,
  type SchemaTags,
  type SchemaVersion,
  type TagChange,
  type TagRequest,
} from '@fairlead/schemas'
import type { FastifyRequest } from 'fastify'
import { badRequest } from './errors.ts'
import type { RegistryRequests } from './registry-requests.ts'
import {
  type Body,
  bodyOf,
  extrasOf,
  member,
  optionalInteger,
  optionalObject,
  queryTexts,
  schemaRequestOf,
} from './request.ts'

/** Tags that one request may name; a schema has no honest use for as many. */
const TAGS_MAX = 10_000

/** The body of a registration. @throws {HttpFailure} 400 */
export function registrationRequestOf(request: FastifyRequest): SchemaRequest {
  return { ...schemaRequestOf(request), ...tagMembersOf(bodyOf(request)) }
}

/** What a registration says of tags. @throws {HttpFailure} 400 */
export function tagMembersOf(
  body: Body,
): Pick<SchemaRequest, 'schemaTags' | 'propagateSchemaTags'> {
  const schemaTags = tagChangeOf(body, { add: 'schemaTagsToAdd', remove: 'schemaTagsToRemove' })
  const isChange = schemaTags.add.length > 0 || schemaTags.remove.length > 0
  return {
    ...(isChange ? { schemaTags } : {}),
    propagateSchemaTags: member(body, 'propagateSchemaTags') === true,
  }
}

/** The body of a request for other tags. @throws {HttpFailure} 400 */
export function tagRequestOf(request: FastifyRequest): TagRequest {
  const body = bodyOf(request)
  const newVersion = optionalInteger(body, 'newVersion') ?? 0
  return {
    newVersion: newVersion > 0 ? newVersion : undefined,
    schemaTags: tagChangeOf(body, { add: 'tagsToAdd', remove: 'tagsToRemove' }),
    rulesToMerge: optionalObject(body, 'rulesToMerge'),
    rulesToRemove: optionalTexts(body, 'rulesToRemove'),
    ...extrasOf(body),
  }
}

/**
 * Tagged records and fields of a version, as `findTags` of the query asks: those with one of its tags, or with
 * `*` all. Undefined when it does not ask.
 */
export async function foundTags(
  request: FastifyRequest,
  requests: RegistryRequests,
  version: SchemaVersion,
): Promise<readonly SchemaTags[] | undefined> {
  // Confluent's client for Java sends them with commas where it asks for the latest version.
  const wanted = new Set(
    queryTexts(request, 'findTags').flatMap((text) => [text, ...text.split(',')]),
  )
  wanted.delete('')
  if (wanted.size === 0) return undefined
  const found = await requests.tagsOf(request, version)
  return wanted.has('*') ? found : found.filter(({ tags }) => tags.some((tag) => wanted.has(tag)))
}

function tagChangeOf(
  body: Body,
  names: { readonly add: string; readonly remove: string },
): TagChange {
  const change = { add: tagsList(body, names.add), remove: tagsList(body, names.remove) }
  const count = [...change.add, ...change.remove].reduce(
    (sum, { tags }) => sum + tags.length + 1,
    0,
  )
  if (count > TAGS_MAX) throw badRequest(`A request names at most ${TAGS_MAX} tags`)
  return change
}

function tagsList(body: Body, name: string): readonly SchemaTags[] {
  const list = member(body, name) ?? []
  if (!Array.isArray(list)) throw badRequest(`"${name}" must be a list`)
  return list.map((item: unknown) => {
    const { schemaEntity, tags } = bodyLike(item, name)
    const { entityPath, entityType } = bodyLike(schemaEntity, name)
    const type = ENTITY_TYPES.find((each) => each === entityType)
    if (typeof entityPath !== 'string' || type === undefined) {
      throw badRequest(
        `"${name}" names an entity by its path and one of ${ENTITY_TYPES.join(', ')}`,
      )
    }
    return { schemaEntity: { entityPath, entityType: type }, tags: texts(tags, name) }
  })
}

function optionalTexts(body: Body, name: string): readonly string[] | undefined {
  const value = member(body, name)
  return value === undefined || value === null ? undefined : texts(value, name)
}

function texts(value: unknown, name: string): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw badRequest(`"${name}" must have lists of texts`)
}

function bodyLike(value: unknown, name: string): Body {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Body
  throw badRequest(`"${name}" must be a list of objects`)
}
