import {
  type AssociationWish,
  type AssociationsRequest,
  LIFECYCLES,
  type Lifecycle,
} from '@fairlead/schemas'
import { badRequest } from './errors.ts'
import { type Body, member, optionalString, schemaOf } from './request.ts'
import { tagMembersOf } from './schema-tags.ts'

/** Operations of one batch: each is a write of its own. */
const OPERATIONS_MAX = 1_000

type AssociationOperation =
  | { readonly kind: 'CREATE' | 'UPSERT'; readonly wish: AssociationWish }
  | {
      readonly kind: 'DELETE'
      readonly associationType: string | undefined
      readonly isCascade: boolean
    }

export type ResourceOperations = {
  readonly resource: Omit<AssociationsRequest, 'associations'>
  readonly operations: readonly AssociationOperation[]
}

export type ResourceQuestion = {
  readonly resource: Omit<AssociationsRequest, 'associations'>
  readonly associationTypes: readonly string[]
  readonly lifecycle: Lifecycle | undefined
}

/** The body of a request for the associations of one resource. @throws {HttpFailure} 400 */
export function associationsOf(body: Body): AssociationsRequest {
  return { ...resourceOf(body), associations: listOf(body, 'associations').map(wishOf) }
}

/** The requests of a batch that changes associations. @throws {HttpFailure} 400 */
export function resourceOperationsOf(body: Body): readonly ResourceOperations[] {
  const requests = requestsOf(body).map((each) => ({
    resource: resourceOf(each),
    operations: listOf(each, 'associations').map(operationOf),
  }))
  const count = requests.reduce((sum, { operations }) => sum + operations.length, 0)
  if (count > OPERATIONS_MAX) throw tooMany()
  return requests
}

/** The requests of a batch that asks for associations. @throws {HttpFailure} 400 */
export function resourceQuestionsOf(body: Body): readonly ResourceQuestion[] {
  return requestsOf(body).map((each) => {
    const types: unknown = member(each, 'associationTypes') ?? []
    if (!Array.isArray(types) || !types.every((type) => typeof type === 'string')) {
      throw badRequest('"associationTypes" must be a list of texts')
    }
    return { resource: resourceOf(each), associationTypes: types, lifecycle: lifecycleOf(each) }
  })
}

function requestsOf(body: Body): readonly Body[] {
  const requests = listOf(body, 'requests')
  if (requests.length > OPERATIONS_MAX) throw tooMany()
  return requests
}

function tooMany(): Error {
  return badRequest(`A batch has at most ${OPERATIONS_MAX} operations`)
}

function resourceOf(body: Body): Omit<AssociationsRequest, 'associations'> {
  const text = (name: string): string | undefined => optionalString(body, name) ?? undefined
  return {
    resourceName: text('resourceName'),
    resourceNamespace: text('resourceNamespace'),
    resourceId: text('resourceId'),
    resourceType: text('resourceType'),
  }
}

function operationOf(body: Body): AssociationOperation {
  const kind = optionalString(body, 'opType')
  if (kind === 'CREATE' || kind === 'UPSERT') return { kind, wish: wishOf(body) }
  if (kind !== 'DELETE') throw badRequest('"opType" must be CREATE, UPSERT or DELETE')
  const associationType = optionalString(body, 'associationType') ?? undefined
  return { kind, associationType, isCascade: optionalFlag(body, 'cascadeLifecycle') ?? false }
}

function wishOf(body: Body): AssociationWish {
  const schema = member(body, 'schema') ?? undefined
  if (schema !== undefined && !isObject(schema)) throw badRequest('"schema" must be an object')
  const normalize = optionalFlag(body, 'normalize') ?? false
  return {
    subject: optionalString(body, 'subject') ?? undefined,
    associationType: optionalString(body, 'associationType') ?? undefined,
    lifecycle: lifecycleOf(body),
    isFrozen: optionalFlag(body, 'frozen'),
    schema: schema && {
      ...schemaOf(schema, { normalize }),
      ...tagMembersOf(schema),
      version: 0,
      schemaId: -1,
    },
  }
}

function lifecycleOf(body: Body): Lifecycle | undefined {
  const text = optionalString(body, 'lifecycle') ?? undefined
  const lifecycle = LIFECYCLES.find((each) => each === text)
  if (text !== undefined && lifecycle === undefined) {
    throw badRequest(`"lifecycle" must be one of ${LIFECYCLES.join(', ')}`)
  }
  return lifecycle
}

function optionalFlag(body: Body, name: string): boolean | undefined {
  const value = member(body, name)
  if (value === undefined || value === null) return undefined
  if (typeof value === 'boolean') return value
  throw badRequest(`"${name}" must be true or false`)
}

function listOf(body: Body, name: string): readonly Body[] {
  const list = member(body, name) ?? []
  if (Array.isArray(list) && list.every(isObject)) return list
  throw badRequest(`"${name}" must be a list of objects`)
}

function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
