import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type SubjectView, qualifiedLike } from '@fairlead/schemas'
import { HttpFailure } from '../http/errors.ts'
import { plainSubject, querySubject } from '../http/request.ts'
import { accessTo } from './access.ts'
import type { RateLimits } from './rate-limits.ts'
import type { Authenticator } from './authenticator.ts'
import { type User, isAllowed } from './users.ts'

export interface AuditLogger {
  info(fields: object, message: string): void
}

export type GuardOptions = {
  readonly authenticator: Authenticator
  readonly view: SubjectView
  readonly realm: string
  readonly audit: AuditLogger
  /** Undefined lets everybody ask as often as they like. */
  readonly limits?: RateLimits | undefined
}

/**
 * Lets in whom the file of users names, to what it allows: everything else is 401 or 403. Writes and
 * refusals are told to the audit log. Health and metrics are on the same server, and open.
 */
export function useGuard(http: FastifyInstance, options: GuardOptions): void {
  const { authenticator, view, realm, audit, limits } = options
  const users = new WeakMap<FastifyRequest, User>()

  // Before the body is read: strangers send none.
  http.addHook('onRequest', async (request, reply) => {
    const { authorization } = request.headers
    const known = authenticator.knownUserOf(authorization)
    // Who still has to prove a name counts for the address: guessing names escapes no limit, and those
    // who are known are not kept out by others behind their address.
    limits?.take(known === undefined ? `address ${request.ip}` : `user ${known.name}`)
    const user = known ?? (await authenticator.userOf(authorization))
    if (user === undefined) {
      void reply.header('www-authenticate', `Basic realm="${realm}"`)
      throw new HttpFailure({ errorCode: 401, message: 'Unauthorized' })
    }
    users.set(request, user)
  })
  http.addHook('preHandler', async (request) => {
    const user = users.get(request)
    if (user === undefined || !mayDo(user, request, view)) {
      throw new HttpFailure({ errorCode: 403, message: 'User is denied operation on this server.' })
    }
  })
  http.addHook('preSerialization', async (request, _reply, payload) =>
    readableOf(payload, request, users.get(request)),
  )
  http.addHook('onResponse', async (request, reply) => {
    const isRefused = reply.statusCode === 401 || reply.statusCode === 403
    if (isRefused || request.method !== 'GET')
      audit.info(auditEntry(request, reply, users), 'audit')
  })
}

function auditEntry(
  request: FastifyRequest,
  reply: FastifyReply,
  users: WeakMap<FastifyRequest, User>,
): object {
  return {
    audit: true,
    user: users.get(request)?.name ?? null,
    address: request.ip,
    method: request.method,
    route: request.routeOptions.url ?? null,
    parameters: request.params,
    status: reply.statusCode,
    requestId: request.id,
  }
}

function mayDo(user: User, request: FastifyRequest, view: SubjectView): boolean {
  const { subject: parent = '' } = request.params as { readonly subject?: string }
  const references = referencedSubjects(request.body).map((subject) =>
    plainSubject(qualifiedLike(parent, subject)),
  )
  const access = accessTo({
    method: request.method,
    route: request.routeOptions.url ?? '',
    params: request.params as Readonly<Record<string, string>>,
    subject: querySubject(request),
    view,
  })
  if (!references.every((subject) => isAllowed(user, 'read', subject))) return false
  if (access === undefined) return true
  const { role, subjects, of } = access
  const isAllowedOn = (subject: string | undefined): boolean => isAllowed(user, role, subject)
  if (of === 'each') return subjects.every(isAllowedOn)
  return subjects.length === 0 || subjects.some(isAllowedOn)
}

/** References and aliases lead to other subjects: who makes one must be allowed to read them. */
function referencedSubjects(body: unknown): string[] {
  const { references, alias } = (body ?? {}) as { references?: unknown; alias?: unknown }
  const list: readonly unknown[] = Array.isArray(references) ? references : []
  const ofReferences = list.map((each) => (each as { subject?: unknown } | null)?.subject)
  return [...ofReferences, alias].filter((subject) => typeof subject === 'string')
}

/** Lists of subjects and versions without what the user may not read. */
function readableOf(payload: unknown, request: FastifyRequest, user: User | undefined): unknown {
  const { url } = request.routeOptions
  const isList = url === '/subjects' || url === '/schemas'
  if (!isList || user === undefined || !Array.isArray(payload)) return payload
  return payload.flatMap((item: unknown): unknown[] => {
    if (typeof item === 'string') return isAllowed(user, 'read', item) ? [item] : []
    const schema = item as { readonly subject: string; readonly aliases?: readonly string[] }
    if (!isAllowed(user, 'read', schema.subject)) return []
    const aliases = schema.aliases?.filter((alias) => isAllowed(user, 'read', alias))
    return [aliases === undefined ? schema : { ...schema, aliases }]
  })
}
