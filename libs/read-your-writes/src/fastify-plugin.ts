import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import {
  type CommitToken,
  CommitTokenError,
  joinCommitTokens,
  parseCommitToken,
} from '@fairlead/outbox'
import {
  type Projections,
  type ReadProjection,
  type WaitOptions,
  checkedTimeoutMs,
  refuseNoProjection,
} from './projections.ts'

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Hands the token of a write to the client, who brings it along when it reads. Of a client that
     * brought one along already, the two are joined.
     */
    commitToken(token: CommitToken): FastifyReply
  }
  interface FastifyContextConfig {
    /** Projections that this route reads, in place of the plugin's; none with an empty list. */
    readYourWrites?: readonly ReadProjection[]
  }
}

export type ReadYourWritesOptions = Omit<WaitOptions, 'key'> & {
  readonly projections: Projections
  /** What reads wait for, unless their route says otherwise in `config.readYourWrites`. */
  readonly reads: readonly ReadProjection[]
  /** Seconds for which a browser brings the token along. Default 60. */
  readonly cookieMaxAgeSeconds?: number
}

/** Set by answers to writes, and taken from requests. */
const TOKEN_HEADER = 'x-consistency-token'
const TOKEN_COOKIE = 'consistency-token'
/** `fresh` or `stale`: on answers to requests that brought a token. */
const RESULT_HEADER = 'x-consistency'
const COOKIE_MAX_AGE_SECONDS = 60

/**
 * A Fastify plugin: a client reads what it has written. `reply.commitToken(token)` puts the token of a
 * write into the header `x-consistency-token` and a cookie; GET and HEAD requests that bring one wait
 * until the projections have taken the write in.
 *
 *     await app.register(readYourWrites, { projections, reads: [orderSummary], onTimeout: 'stale' })
 *
 * A header wins over a cookie. A token that cannot be read is refused with 400 in a header, of a write
 * before it is carried out, and passed over in a cookie, which the client did not write itself. A read that is late is answered with 503, or
 * as it is (`onTimeout: 'stale'`) with the header `x-consistency: stale`.
 *
 * Registering it fails for a `timeout` that is no duration, and without `reads`, or with what is no projection in them.
 */
export async function readYourWrites(
  app: FastifyInstance,
  options: ReadYourWritesOptions,
): Promise<void> {
  const { projections, reads, cookieMaxAgeSeconds = COOKIE_MAX_AGE_SECONDS, ...wait } = options
  checkedTimeoutMs(wait)
  if (!Array.isArray(reads)) {
    throw new TypeError('reads names the projections that GET requests wait for: [orderSummary]')
  }
  for (const projection of reads) refuseNoProjection(projection)
  app.decorateReply('commitToken', function (this: FastifyReply, token: CommitToken) {
    parseCommitToken(token)
    const earlier = tokenIn(this.request).token
    const joined = earlier === undefined ? token : joinCommitTokens(earlier, token)
    const attributes = `Path=/; Max-Age=${cookieMaxAgeSeconds}; HttpOnly; SameSite=Lax`
    return this.header(TOKEN_HEADER, joined).header(
      'set-cookie',
      `${TOKEN_COOKIE}=${joined}; ${attributes}`,
    )
  })
  app.addHook('preHandler', async (request, reply) => {
    const { token, isForeign } = tokenIn(request)
    if (isForeign) throw new InvalidTokenError()
    if (request.method !== 'GET' && request.method !== 'HEAD') return
    const awaited = request.routeOptions.config.readYourWrites ?? reads
    if (token === undefined || awaited.length === 0) return
    const results = await Promise.all(
      awaited.map((projection) => projections.waitFor(projection, token, wait)),
    )
    reply.header(RESULT_HEADER, results.every(({ fresh }) => fresh) ? 'fresh' : 'stale')
  })
}

/** What `fastify-plugin` sets: hooks and decorators are for the whole app, not for the plugin. */
Object.assign(readYourWrites, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'read-your-writes',
  [Symbol.for('plugin-meta')]: { name: 'read-your-writes', fastify: '5.x' },
})

type Brought = {
  readonly token: string | undefined
  /** It is in a header, and no outbox made it. */
  readonly isForeign: boolean
}

function tokenIn({ headers }: FastifyRequest): Brought {
  const header = headers[TOKEN_HEADER]
  if (typeof header === 'string') {
    return isToken(header)
      ? { token: header, isForeign: false }
      : { token: undefined, isForeign: true }
  }
  const cookie = cookieOf(headers.cookie ?? '')
  const isOurs = cookie !== undefined && isToken(cookie)
  return { token: isOurs ? cookie : undefined, isForeign: false }
}

class InvalidTokenError extends CommitTokenError {
  readonly statusCode = 400
}

function isToken(text: string): boolean {
  try {
    parseCommitToken(text)
    return true
  } catch (error) {
    if (error instanceof CommitTokenError) return false
    throw error
  }
}

function cookieOf(cookies: string): string | undefined {
  for (const cookie of cookies.split(';')) {
    const [name, value] = cookie.trim().split('=', 2)
    if (name === TOKEN_COOKIE) return value
  }
  return undefined
}
