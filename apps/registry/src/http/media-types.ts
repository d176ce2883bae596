import { WeightedCache } from '@fairlead/schemas'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Readable } from 'node:stream'
import { HttpFailure, badRequest } from './errors.ts'
import { RequestBodies } from './request-bodies.ts'

/** A schema beyond this size would not fit into a record of the topic anyway. */
const BODY_BYTES_MAX = 2 * 1024 * 1024
/** Of all requests together, in bodies that are not complete. */
const RECEIVING_BYTES_MAX = 64 * 1024 * 1024

/** Ours, for answers that say more than Confluent's: a client gets it only if it asks for it. */
const EXPLAINING_TYPE = 'application/vnd.fairlead.registry.v1+json'

/** Whether the client asked for what Confluent's answers do not have. */
export function wantsExplanation(request: FastifyRequest): boolean {
  return acceptedType(request.headers.accept) === EXPLAINING_TYPE
}

/** Confluent's types and ours, by preference; the first is the default. */
export const MEDIA_TYPES = [
  'application/vnd.schemaregistry.v1+json',
  'application/vnd.schemaregistry+json',
  'application/json',
  EXPLAINING_TYPE,
] as const

/** Reads and writes bodies in Confluent's media types; others are 415 and 406. */
export function useMediaTypes(http: FastifyInstance): void {
  http.removeAllContentTypeParsers()
  const bodies = new RequestBodies({
    bodyBytesMax: BODY_BYTES_MAX,
    receivingBytesMax: RECEIVING_BYTES_MAX,
  })
  http.addContentTypeParser(
    [...MEDIA_TYPES, 'application/octet-stream'],
    async (_request: FastifyRequest, stream: Readable) => jsonOf(await bodies.receive(stream)),
  )
  http.addHook('onRequest', (request, reply, done) => {
    const accepted = acceptedType(request.headers.accept)
    // Who asks for the root asks whether the registry is there: browsers and load balancers, too.
    const mediaType = request.routeOptions.url === '/' ? (accepted ?? MEDIA_TYPES[0]) : accepted
    if (mediaType === undefined) {
      throw new HttpFailure({ errorCode: 406, message: 'HTTP 406 Not Acceptable' })
    }
    answerIn(reply, mediaType).header('x-request-id', request.id)
    done()
  })
}

/**
 * With a serializer of its own an answer has the media type alone: Fastify would add a charset, which
 * JSON does not have, and clients compare the whole header.
 */
function answerIn(reply: FastifyReply, mediaType: string): FastifyReply {
  return reply.type(mediaType).serializer(JSON.stringify)
}

/** As Confluent's reader has it; what is deeper would overflow the stack of whoever walks it. */
const JSON_DEPTH_MAX = 1_000

function jsonOf(text: string): unknown {
  if (text === '') return undefined
  if (isDeeperThan(text, JSON_DEPTH_MAX)) {
    throw badRequest(`The body of the request is nested more than ${JSON_DEPTH_MAX} levels deep`)
  }
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw badRequest('Malformed JSON in the body of the request')
  }
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c]
const [OPEN_BRACKET, CLOSE_BRACKET] = [0x5b, 0x5d]
const [OPEN_BRACE, CLOSE_BRACE] = [0x7b, 0x7d]

/** Whether text nests more arrays and objects than that, if it is JSON. */
function isDeeperThan(text: string, depthMax: number): boolean {
  let depth = 0
  let isInString = false
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit === QUOTE) isInString = !isInString
    else if (isInString) index += unit === BACKSLASH ? 1 : 0
    else if (unit === OPEN_BRACKET || unit === OPEN_BRACE) depth += 1
    else if (unit === CLOSE_BRACKET || unit === CLOSE_BRACE) depth -= 1
    if (depth > depthMax) return true
  }
  return false
}

/** Errors speak the client's media type as well; Fastify drops the one that was set before. */
export function useErrorMediaType(request: FastifyRequest, reply: FastifyReply): void {
  answerIn(reply, acceptedType(request.headers.accept) ?? MEDIA_TYPES[0])
}

/** Clients send the same few headers over and over; whoever sends others only makes them forgotten. */
const acceptedTypes = new WeightedCache<string, string>({
  countMax: 100,
  weightMax: 10_000,
})

/** The type that the client prefers; of those that it takes as readily, the first. */
function acceptedType(accept = ''): string | undefined {
  const known = acceptedTypes.get(accept)
  if (known !== undefined) return known
  const mediaType = acceptedTypeOf(accept)
  if (mediaType !== undefined) acceptedTypes.set(accept, mediaType, accept.length)
  return mediaType
}

function acceptedTypeOf(accept: string): string | undefined {
  if (accept.trim() === '') return MEDIA_TYPES[0]
  const ranges = accept.split(',').map(mediaRangeOf)
  if (ranges.some(({ range, quality }) => range === EXPLAINING_TYPE && quality > 0)) {
    return EXPLAINING_TYPE
  }
  const ofConfluent = MEDIA_TYPES.filter((mediaType) => mediaType !== EXPLAINING_TYPE)
  const [best] = ofConfluent
    .map((mediaType) => ({ mediaType, quality: qualityOf(mediaType, ranges) }))
    .filter(({ quality }) => quality > 0)
    .sort((one, other) => other.quality - one.quality)
  return best?.mediaType
}

type MediaRange = { readonly range: string; readonly quality: number }

function mediaRangeOf(text: string): MediaRange {
  const [range = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const quality = parameters.find((parameter) => /^q\s*=/.test(parameter))?.split('=')[1]
  return { range, quality: quality === undefined ? 1 : Number(quality) }
}

/** A type that is named outweighs `application/*`, and that everything: so `q=0` takes one type out. */
function qualityOf(mediaType: string, ranges: readonly MediaRange[]): number {
  const [closest] = ranges
    .map(({ range, quality }) => ({ quality, closeness: closenessOf(range, mediaType) }))
    .filter(({ closeness }) => closeness > 0)
    .sort((one, other) => other.closeness - one.closeness || other.quality - one.quality)
  return closest?.quality ?? 0
}

function closenessOf(range: string, mediaType: string): number {
  if (range === mediaType) return 3
  if (range === 'application/*') return 2
  return range === '*' || range.startsWith('*/') ? 1 : 0
}
