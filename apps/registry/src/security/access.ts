import { type SubjectView, plainSubject } from '@fairlead/schemas'
import type { Role } from './users.ts'

/** What a request needs: a role on each of the subjects, or, of `some`, on one of them. */
export type Access = {
  readonly role: Role
  /** Undefined is all subjects at once. */
  readonly subjects: readonly (string | undefined)[]
  readonly of: 'each' | 'some'
}

export type AccessQuestion = {
  readonly method: string
  /** The path of the route, with its parameters by name. */
  readonly route: string
  readonly params: Readonly<Record<string, string>>
  /** Of the query: the context in which an id is looked for. */
  readonly subject: string | undefined
  readonly view: SubjectView
}

/** What every user may ask. */
const OPEN_ROUTES: readonly string[] = [
  'GET /',
  'POST /',
  'GET /schemas/types',
  'GET /config',
  'GET /mode',
  'GET /v1/metadata/id',
  'GET /v1/metadata/version',
  'GET /v1/metadata/deployment',
  'GET /openapi.json',
  // Their answers have only what the user may read.
  'GET /subjects',
  'GET /schemas',
  'GET /associations/resources/:id',
  'GET /associations/resources/:namespace/:name',
  'POST /associations::batchGet',
  // Which subjects they act on depends on the body and what is stored: they ask for each themselves.
  'POST /associations',
  'PUT /associations/resources/:id',
  'DELETE /associations/resources/:id',
  'POST /associations::batchMutate',
]

/** Undefined when any user may. A route that is not known here needs everything. */
export function accessTo(question: AccessQuestion): Access | undefined {
  const { method, route, params } = question
  if (OPEN_ROUTES.includes(`${method} ${route}`)) return undefined
  if (/^\/(?:schemas|readers)\/(?:ids|guids)\//.test(route)) {
    return { role: 'read', subjects: holdersOf(question), of: 'some' }
  }
  const subject = params['subject'] === undefined ? undefined : plainSubject(params['subject'])
  const role = roleOf(method, route)
  if (subject === undefined) return { role, subjects: [undefined], of: 'each' }
  // An alias leads to another subject, which the user must be allowed as well.
  const subjects = [subject, question.view.aliased(subject)]
  return { role, subjects: [...new Set(subjects)], of: 'each' }
}

const WRITING_ROUTES: readonly string[] = [
  '/subjects/:subject/versions',
  '/subjects/:subject/versions/:version/tags',
]

function roleOf(method: string, route: string): Role {
  if (route.startsWith('/mode')) return method === 'GET' ? 'read' : 'admin'
  if (route.startsWith('/config')) return method === 'GET' ? 'read' : 'config'
  if (route.startsWith('/readers/') || route.startsWith('/associations/subjects/')) return 'read'
  if (route.startsWith('/subjects/') || route.startsWith('/compatibility/')) {
    if (method === 'GET') return 'read'
    if (method === 'DELETE') return 'delete'
    // Lookups and checks are sent as POST.
    return WRITING_ROUTES.includes(route) ? 'write' : 'read'
  }
  return 'admin'
}

function holdersOf({ route, params, subject, view }: AccessQuestion): readonly string[] {
  const { id = '', guid = '' } = params
  const holders = /^\/\w+\/ids\//.test(route)
    ? view.withId(Number(id), subject)
    : view.image.withGuid(guid.toLowerCase())
  return [...new Set(holders.map((holder) => holder.subject))]
}
