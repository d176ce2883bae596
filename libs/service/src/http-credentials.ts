import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { type ConfigOf, defineConfig } from './config/spec.ts'
import type { Metrics } from './metrics.ts'

/** Keys of an app whose API can change things or shows data. */
export const HTTP_CREDENTIALS_CONFIG = defineConfig({
  'http.auth.bearer.token': {
    type: 'string',
    secret: true,
    // RFC 6750, b64token; shorter ones can be guessed.
    pattern: /^[A-Za-z0-9._~+/-]{8,}=*$/,
    doc: 'Who sends it as "Authorization: Bearer" may use the HTTP API; health and metrics are open.',
  },
  'http.auth.basic.user': {
    type: 'string',
    pattern: /^[^:]+$/,
    doc: 'With http.auth.basic.password: who sends both may use the HTTP API.',
  },
  'http.auth.basic.password': {
    type: 'string',
    secret: true,
    doc: 'With http.auth.basic.user.',
  },
})

/** An app without an API to protect has none of the keys. */
export type CredentialsConfig = Partial<ConfigOf<typeof HTTP_CREDENTIALS_CONFIG>>

/** For probes and scrapers, which have no credentials. */
const OPEN_PATHS: ReadonlySet<string | undefined> = new Set([
  '/healthz',
  '/readyz',
  '/metrics',
  '/version',
])

/** One line per problem: an API without credentials is for this machine alone. */
export function credentialsProblems(config: CredentialsConfig, host: string): readonly string[] {
  const { user, password } = basicOf(config)
  if ((user === undefined) !== (password === undefined)) {
    return ['http.auth.basic.user and http.auth.basic.password go together: set both or none']
  }
  if (hasCredentials(config) || isLoopback(host)) return []
  return [
    `http.host ${host} lets others in, and the HTTP API has no credentials: ` +
      'set http.auth.bearer.token, or http.auth.basic.user and http.auth.basic.password, or http.host 127.0.0.1',
  ]
}

export function hasCredentials(config: CredentialsConfig): boolean {
  return config['http.auth.bearer.token'] !== undefined || basicOf(config).user !== undefined
}

/** Answers 401 to whoever does not send one of the credentials, before anything is read of the body. */
export function requireCredentials(
  http: FastifyInstance,
  config: CredentialsConfig,
  metrics: Metrics,
): void {
  const failures = metrics.counter({
    name: 'auth_failures_total',
    help: 'Requests to the HTTP API that were refused: without credentials, or with wrong ones.',
    labelNames: ['reason'],
  })
  const accepted = acceptedHeaders(config).map(digest)
  const challenges = acceptedHeaders(config).map((header) =>
    header.startsWith('bearer') ? 'Bearer' : 'Basic realm="fairlead", charset="UTF-8"',
  )
  http.addHook('onRequest', async ({ headers, routeOptions }, reply) => {
    if (OPEN_PATHS.has(routeOptions.url)) return
    const given = digest(withPlainScheme(headers.authorization ?? ''))
    // Each is compared, and in constant time: an answer tells nothing of how near a guess was.
    const matches = accepted.map((expected) => timingSafeEqual(expected, given))
    if (matches.includes(true)) return
    const isMissing = headers.authorization === undefined
    failures.inc({ reason: isMissing ? 'missing' : 'wrong' })
    const problem = isMissing ? 'credentials are required' : 'the credentials are wrong'
    const message = `${problem}: see http.auth.bearer.token and http.auth.basic.user`
    return reply.code(401).header('www-authenticate', challenges.join(', ')).send({ message })
  })
}

function acceptedHeaders(config: CredentialsConfig): readonly string[] {
  const token = config['http.auth.bearer.token']
  const { user, password } = basicOf(config)
  return [
    ...(token === undefined ? [] : [`bearer ${token}`]),
    ...(user === undefined
      ? []
      : [`basic ${Buffer.from(`${user}:${password ?? ''}`).toString('base64')}`]),
  ]
}

/** Its name is the same in any case (RFC 9110, 11.1). */
function withPlainScheme(authorization: string): string {
  return authorization.replace(/^[a-z]+ +/i, (scheme) => `${scheme.trimEnd().toLowerCase()} `)
}

function basicOf(config: CredentialsConfig) {
  return { user: config['http.auth.basic.user'], password: config['http.auth.basic.password'] }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
