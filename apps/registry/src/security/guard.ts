import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { qualifiedLike } from '@fairlead/schemas'
import { HttpFailure } from '../http/errors.ts'
import type { Permissions, RegistryRequests } from '../http/registry-requests.ts'
import { querySubject } from '../http/request.ts'
import { accessTo } from './access.ts'
import type { RateLimits } from './rate-limits.ts'
import type { Authenticator } from './authenticator.ts'
import { type Role, type User, isAllowed, mayReadAnything } from './users.ts'

export interface AuditLogger {
  info(fields: object, message: string): void
}

export type GuardOptions = {
  readonly authenticator: Authenticator
  readonly requests: RegistryRequests
  readonly realm: string
  readonly audit: AuditLogger
  /** Undefined lets everybody ask as often as they like. */
  readonly limits?: RateLimits | undefined
}

/**
 * Lets in whom the file of users names, to what it allows: everything else is 401 or 403. Writes and
 * refusals are told to the audit log. Health and metrics are on the same server, and open.
 *
 * @returns what routes check again when they have the answer: the image may have changed since.
 */
export function useGuard(http: FastifyInstance, options: GuardOptions): Permissions {
  const { authenticator, requests, realm, audit, limits } = options
  const users = new WeakMap<FastifyRequest, User>()
  const isPermitted = (request: FastifyRequest): boolean => {
    const user = users.get(request)
    return user !== undefined && mayDo(user, request, requests)
  }
  const check = (request: FastifyRequest): void => {
    if (isPermitted(request)) return
    throw new HttpFailure({ errorCode: 403, message: 'User is denied operation on this server.' })
  }

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
    // What is in the way may be gone further on in the log.
    if (!isPermitted(request)) await requests.untilCaughtUp()
    check(request)
  })
  http.addHook('onResponse', async (request, reply) => {
    const isRefused = reply.statusCode === 401 || reply.statusCode === 403
    if (isRefused || request.method !== 'GET')
      audit.info(auditEntry(request, reply, users), 'audit')
  })
  const may = (request: FastifyRequest, role: Role, subject: string): boolean => {
    const user = users.get(request)
    return user !== undefined && isAllowed(user, role, subject)
  }
  return { check, may }
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

function mayDo(
  user: User,
  request: FastifyRequest,
  { registry: { view } }: RegistryRequests,
): boolean {
  const access = accessTo({
    method: request.method,
    route: request.routeOptions.url ?? '',
    params: request.params as Readonly<Record<string, string>>,
    subject: querySubject(request),
    view,
  })
  if (access === undefined) return true
  const { role, subjects, of } = access
  const allowed = subjects.filter((subject) => isAllowed(user, role, subject))
  if (of === 'each' && allowed.length < subjects.length) return false
  // Nobody holds an id that does not exist: who may read anything at all is told so.
  if (of === 'some' && subjects.length === 0) return mayReadAnything(user)
  if (of === 'some' && allowed.length === 0) return false

  const [named = ''] = subjects
  // Behind an alias it is the other subject that refers; of those that hold an id, each may.
  const referring = of === 'some' ? allowed : subjects.slice(-1)
  return referredSubjects(request.body, { named, referring }).every((subject) =>
    isAllowed(user, 'read', subject),
  )
}

/**
 * References and aliases lead to other subjects: who makes one must be allowed to read them. Which
 * ones they are depends on the context of the subject that has them.
 */
function referredSubjects(
  body: unknown,
  {
    named,
    referring,
  }: { readonly named: string; readonly referring: readonly (string | undefined)[] },
): readonly string[] {
  const { references, alias } = (body ?? {}) as { references?: unknown; alias?: unknown }
  const list: readonly unknown[] = Array.isArray(references) ? references : []
  const ofReferences = list
    .map((each) => (each as { subject?: unknown } | null)?.subject)
    .filter((subject) => typeof subject === 'string')
  return [
    ...referring.flatMap((parent = '') =>
      ofReferences.map((subject) => qualifiedLike(parent, subject)),
    ),
    ...(typeof alias === 'string' ? [qualifiedLike(named, alias)] : []),
  ]
}
