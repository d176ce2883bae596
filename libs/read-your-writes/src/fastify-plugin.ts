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
  StaleReadError,
  type WaitOptions,
  checkedTimeoutMs,
  refuseNoProjection,
} from './projections.ts'

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Hands the token of a write to the client, who brings it along when it reads. It is joined with those
     * that were handed out before: with the same reply, and that which the client has brought along.
     */
    commitToken(token: CommitToken): FastifyReply
  }
  interface FastifyContextConfig {
    /**
     * Projections that this route reads, in place of the plugin's; none with an empty list. Such a route is
     * added behind the plugin, which has to know of all that are read.
     */
    readYourWrites?: readonly ReadProjection[]
  }
}

export type ReadYourWritesOptions = Omit<WaitOptions, 'key' | 'signal'> & {
  readonly projections: Projections
  /** What reads wait for, unless their route says otherwise in `config.readYourWrites`. */
  readonly reads: readonly ReadProjection[]
  /** Seconds for which a browser brings the token along. Default 60. */
  readonly cookieMaxAgeSeconds?: number
  /**
   * Other services behind the same host name read the cookie, too. Their projections are not known here, so
   * that a write stays in it when those known here have taken it in. Default false.
   */
  readonly sharesCookie?: boolean
}

/** Set by answers to writes, and taken from requests. */
const TOKEN_HEADER = 'x-consistency-token'
const TOKEN_COOKIE = 'consistency-token'
/** `fresh` or `stale`: on answers to requests that brought a token. */
const RESULT_HEADER = 'x-consistency'
const COOKIE_MAX_AGE_SECONDS = 60
/** With as many writes in a token it is worth a query to find out which of them are over. */
const WRITES_LOOKED_UP_FROM = 8

/**
 * A Fastify plugin: a client reads what it has written. `reply.commitToken(token)` puts the token of a
 * write into the header `x-consistency-token` and a cookie; GET and HEAD requests that bring one wait
 * until the projections have taken the write in.
 *
 *     await app.register(readYourWrites, { projections, reads: [orderSummary], onTimeout: 'stale' })
 *
 * A client that goes away while it waits is not waited for, and its handler does not run. What no route
 * answers waits for nothing. A server that closes answers those who wait at once, as after their timeout.
 *
 * A header wins over a cookie. A token that cannot be read is refused with 400 in a header, of a write
 * before it is carried out, and passed over in a cookie, which the client did not write itself. A read
 * that is late is answered with 503, or as it is (`onTimeout: 'stale'`) with the header
 * `x-consistency: stale`.
 *
 * A write that all projections of the app have taken in leaves the token when its client writes again.
 *
 * Registering it fails for a `timeout` that is no duration, and without `reads`, or with what is no
 * projection in them.
 */
export async function readYourWrites(
  app: FastifyInstance,
  options: ReadYourWritesOptions,
): Promise<void> {
  const { projections, reads, cookieMaxAgeSeconds, sharesCookie = false, ...wait } = options
  checkedTimeoutMs(wait)
  if (!Array.isArray(reads)) {
    throw new TypeError('reads names the projections that GET requests wait for: [orderSummary]')
  }
  for (const projection of reads) refuseNoProjection(projection)
  const allReads = new Set<ReadProjection>(reads)
  const tokens = new TokensOfReplies({ cookieMaxAgeSeconds })
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())
  app.addHook('onRoute', ({ config }) => {
    for (const projection of config?.readYourWrites ?? []) allReads.add(projection)
  })
  app.decorateReply('commitToken', function (this: FastifyReply, token: CommitToken) {
    return tokens.handOut(this, token)
  })
  app.addHook('preHandler', async (request, reply) => {
    // There is nothing to read.
    if (request.is404) return
    const { token, isForeign } = tokenIn(request)
    if (isForeign) throw new InvalidTokenError()
    if (token === undefined) return
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      const isLong = parseCommitToken(token).length >= WRITES_LOOKED_UP_FROM
      const isLookedUp = isLong && !sharesCookie && allReads.size > 0
      tokens.bring(reply, isLookedUp ? await projections.unapplied([...allReads], token) : token)
      return
    }
    const awaited = request.routeOptions.config.readYourWrites ?? reads
    if (awaited.length === 0) return
    const client = new AbortController()
    const leave = (): void => client.abort()
    reply.raw.once('close', leave)
    if (reply.raw.destroyed) leave()
    const signal = AbortSignal.any([client.signal, closing.signal])
    const isFresh = await Promise.all(
      awaited.map((projection) => projections.waitFor(projection, token, { ...wait, signal })),
    )
      .then((results) => results.every(({ fresh }) => fresh))
      .catch((error: unknown) => {
        if (client.signal.aborted) return undefined
        if (!closing.signal.aborted) throw error
        // Kept open for the next request of its client, it would keep the server from its end.
        reply.header('connection', 'close')
        if (wait.onTimeout === 'stale') return false
        throw new StaleReadError('the server closes', error)
      })
      .finally(() => reply.raw.off('close', leave))
    // Nobody is there to answer: the handler need not run.
    if (isFresh === undefined) return reply.hijack()
    reply.header(RESULT_HEADER, isFresh ? 'fresh' : 'stale')
    return undefined
  })
}

/** What a client will have: what it has brought along, and what is handed out to it. */
class TokensOfReplies {
  readonly #tokens = new WeakMap<FastifyReply, string | undefined>()
  readonly #cookieAttributes: string

  constructor({ cookieMaxAgeSeconds = COOKIE_MAX_AGE_SECONDS }: CookieOptions) {
    this.#cookieAttributes = `Path=/; Max-Age=${cookieMaxAgeSeconds}; HttpOnly; SameSite=Lax`
  }

  bring(reply: FastifyReply, token: string | undefined): void {
    this.#tokens.set(reply, token)
  }

  /** @throws {CommitTokenError} */
  handOut(reply: FastifyReply, token: CommitToken): FastifyReply {
    parseCommitToken(token)
    // A GET request that writes has brought its token, too.
    const isKnown = this.#tokens.has(reply)
    const earlier = isKnown ? this.#tokens.get(reply) : tokenIn(reply.request).token
    const joined = earlier === undefined ? token : joinCommitTokens(earlier, token)
    this.#tokens.set(reply, joined)
    const others = [reply.getHeader('set-cookie') ?? []]
      .flat()
      .map(String)
      .filter((other) => !other.startsWith(`${TOKEN_COOKIE}=`))
    const cookie = `${TOKEN_COOKIE}=${joined}; ${this.#cookieAttributes}`
    reply.removeHeader('set-cookie')
    const allCookies = others.length === 0 ? cookie : [...others, cookie]
    return reply.header(TOKEN_HEADER, joined).header('set-cookie', allCookies)
  }
}

type CookieOptions = { readonly cookieMaxAgeSeconds: number | undefined }

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
