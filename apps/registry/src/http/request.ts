import { type JsonObject, type JsonValue, readJson } from '@fairlead/avro'
import {
  type SchemaExtras,
  type SchemaReference,
  type SchemaRequest,
  canonicalMetadata,
  definedMembers,
  parseVersion,
  plainSubject,
} from '@fairlead/schemas'
import type { FastifyRequest } from 'fastify'
import { HttpFailure, badRequest, notFound } from './errors.ts'

/** The parts of a request, checked; unknown members of a body are ignored, as Confluent does. */

export function subjectOf(request: FastifyRequest): string {
  return plainSubject(parameter(request, 'subject'))
}

/** The query's `subject`, which names the context to look in first. */
export function querySubject(request: FastifyRequest): string | undefined {
  const subject = queryText(request, 'subject')
  return subject === undefined ? undefined : plainSubject(subject)
}

/** @throws {HttpFailure} 42202 */
export function versionOf(request: FastifyRequest): number | 'latest' {
  const text = parameter(request, 'version')
  const version = parseVersion(text)
  if (version !== undefined) return version
  throw new HttpFailure({
    errorCode: 42202,
    message: `The specified version '${text}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string "latest"`,
  })
}

/** An id that is not an integer names no resource. @throws {HttpFailure} 404 */
export function schemaIdOf(request: FastifyRequest): number {
  const text = parameter(request, 'id')
  if (!/^-?\d{1,10}$/.test(text)) throw notFound()
  return Number(text)
}

export function flag(request: FastifyRequest, name: string): boolean {
  return queryText(request, name)?.toLowerCase() === 'true'
}

export function queryText(request: FastifyRequest, name: string): string | undefined {
  const query = request.query as Readonly<Record<string, unknown>>
  const value = Object.hasOwn(query, name) ? query[name] : undefined
  return typeof value === 'string' ? value : undefined
}

/** Each value of a parameter that may come several times. */
export function queryTexts(request: FastifyRequest, name: string): readonly string[] {
  const query = request.query as Readonly<Record<string, unknown>>
  const values = Object.hasOwn(query, name) ? [query[name]].flat() : []
  return values.filter((value) => typeof value === 'string')
}

/** One page of a list, by `offset` and `limit`; a negative limit means all. */
export function page<Item>(
  request: FastifyRequest,
  items: readonly Item[],
  limitMax: number = Infinity,
): readonly Item[] {
  const offset = queryInteger(request, 'offset') ?? 0
  const limit = queryInteger(request, 'limit') ?? -1
  const start = Math.max(0, offset)
  return items.slice(start, start + Math.min(limit < 0 ? Infinity : limit, limitMax))
}

/** @throws {HttpFailure} 400 for a body of the wrong shape. */
export function schemaRequestOf(request: FastifyRequest): SchemaRequest {
  return schemaOf(bodyOf(request), { normalize: flag(request, 'normalize') })
}

/** The same within another body. @throws {HttpFailure} 400 */
export function schemaOf(
  body: Body,
  { normalize }: { readonly normalize: boolean },
): SchemaRequest {
  return {
    schema: optionalString(body, 'schema') ?? '',
    schemaType: optionalString(body, 'schemaType') ?? 'AVRO',
    references: referencesOf(body['references']),
    normalize,
    version: optionalInteger(body, 'version') ?? 0,
    schemaId: optionalInteger(body, 'id') ?? -1,
    ...extrasOf(body),
  }
}

/** `metadata` and `ruleSet`. @throws {HttpFailure} 400 */
export function extrasOf(body: Body): SchemaExtras {
  const metadata = metadataOf(body)
  const ruleSet = optionalObject(body, 'ruleSet')
  return {
    ...(metadata === undefined ? {} : { metadata }),
    ...(ruleSet === undefined ? {} : { ruleSet: definedMembers(ruleSet) }),
  }
}

function metadataOf(body: Body): JsonObject | undefined {
  const given = optionalObject(body, 'metadata')
  if (given === undefined) return undefined
  const metadata = canonicalMetadata(given)
  if (metadata !== undefined) return metadata
  throw badRequest('"metadata" has tags (lists of texts by path), properties (texts) and sensitive')
}

/** An object as JSON of ours; undefined when it is absent or null. */
export function optionalObject(body: Body, name: string): JsonObject | undefined {
  const json = jsonMember(body, name)
  if (json === undefined || json.kind === 'null') return undefined
  if (json.kind === 'object') return json
  throw badRequest(`"${name}" must be an object`)
}

/** Any member of the body; undefined when it is absent. */
export function jsonMember(body: Body, name: string): JsonValue | undefined {
  const value = member(body, name)
  return value === undefined ? undefined : readJson(JSON.stringify(value))
}

export type Body = Readonly<Record<string, unknown>>

/** @throws {HttpFailure} 400 unless the body is an object. */
export function bodyOf(request: FastifyRequest): Body {
  const { body } = request
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Body
  throw badRequest('The body of the request must be a JSON object')
}

export function optionalString(body: Body, name: string): string | null | undefined {
  const value = member(body, name)
  if (value === undefined || value === null || typeof value === 'string') return value
  throw badRequest(`"${name}" must be a string`)
}

export function optionalInteger(body: Body, name: string): number | undefined {
  const value = member(body, name)
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw badRequest(`"${name}" must be an integer`)
}

function referencesOf(value: unknown): SchemaReference[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw badRequest('"references" must be an array')
  return value.map((item: unknown) => {
    if (typeof item !== 'object' || item === null) throw badRequest('a reference must be an object')
    const reference = item as Body
    return {
      name: optionalString(reference, 'name') ?? '',
      subject: optionalString(reference, 'subject') ?? '',
      version: optionalInteger(reference, 'version') ?? -1,
    }
  })
}

/** Own ones alone. */
export function member(body: Body, name: string): unknown {
  return Object.hasOwn(body, name) ? body[name] : undefined
}

export function parameter(request: FastifyRequest, name: string): string {
  const parameters = request.params as Readonly<Record<string, string>>
  return parameters[name] ?? ''
}

function queryInteger(request: FastifyRequest, name: string): number | undefined {
  const text = queryText(request, name)
  if (text === undefined) return undefined
  if (!/^-?\d{1,10}$/.test(text)) throw notFound()
  return Number(text)
}
