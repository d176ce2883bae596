import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { HttpFailure, badRequest } from './errors.ts'

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
  http.addContentTypeParser(
    [...MEDIA_TYPES, 'application/octet-stream'],
    { parseAs: 'string' },
    (_request, text, done) => {
      try {
        done(null, text === '' ? undefined : JSON.parse(String(text)))
      } catch {
        done(badRequest('Malformed JSON in the body of the request'))
      }
    },
  )
  http.addHook('onRequest', async (request, reply) => {
    const mediaType = acceptedType(request.headers.accept)
    if (mediaType === undefined) {
      void reply.type(MEDIA_TYPES[0])
      throw new HttpFailure({ errorCode: 406, message: 'HTTP 406 Not Acceptable' })
    }
    void reply.type(mediaType).header('x-request-id', request.id)
  })
}

/** Errors speak the client's media type as well; Fastify drops the one that was set before. */
export function useErrorMediaType(request: FastifyRequest, reply: FastifyReply): void {
  void reply.type(acceptedType(request.headers.accept) ?? MEDIA_TYPES[0])
}

/** The most preferred of our types that the client takes; quality values only exclude (q=0). */
function acceptedType(accept: string | undefined): string | undefined {
  if (accept === undefined || accept.trim() === '') return MEDIA_TYPES[0]
  const ranges = accept
    .split(',')
    .map((range) => range.trim().toLowerCase())
    .filter((range) => !/;\s*q=0(\.0*)?\s*(;|$)/.test(range))
    .map((range) => range.split(';')[0]?.trim())
  if (ranges.includes(EXPLAINING_TYPE)) return EXPLAINING_TYPE
  if (ranges.includes('*/*') || ranges.includes('application/*')) return MEDIA_TYPES[0]
  return MEDIA_TYPES.find((mediaType) => ranges.includes(mediaType))
}
