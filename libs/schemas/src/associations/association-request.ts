import { type Outcome, type Refused, failed, success } from '../failure.ts'
import type { SchemaRequest } from '../schema-request.ts'
import { DEFAULT_RESOURCE_TYPE, type Lifecycle } from './association.ts'

/** What a request wants of one association; undefined is for the registry to choose, or to keep. */
export type AssociationWish = {
  readonly subject: string | undefined
  readonly associationType: string | undefined
  readonly lifecycle: Lifecycle | undefined
  readonly isFrozen: boolean | undefined
  /** To register in the subject. */
  readonly schema: SchemaRequest | undefined
}

export type AssociationsRequest = {
  readonly resourceName: string | undefined
  readonly resourceNamespace: string | undefined
  readonly resourceId: string | undefined
  readonly resourceType: string | undefined
  readonly associations: readonly AssociationWish[]
}

export type AssociationsOptions = {
  /** What is there already is refused unless it is what the request wants; otherwise it is changed. */
  readonly isCreate: boolean
  /** Checks, and writes nothing. */
  readonly isDryRun: boolean
}

/** A resource that has a name, and no id in a dry run alone. */
export type Resource = {
  readonly resourceName: string
  readonly resourceNamespace: string
  readonly resourceId: string | undefined
  readonly resourceType: string
}

export type CheckedWish = AssociationWish & { readonly associationType: string }
export type CheckedAssociations = {
  readonly resource: Resource
  readonly wishes: readonly CheckedWish[]
}

/** What can be told of a request without looking at what is stored: Confluent's rules, in its order. */
export function checkAssociations(
  request: AssociationsRequest,
  { isCreate, isDryRun }: AssociationsOptions,
): Outcome<CheckedAssociations> {
  const resource = checkResource(request, { isDryRun })
  if (!resource.ok) return resource
  if (request.associations.length === 0) return invalid('associations', 'cannot be null or empty')
  const wishes: CheckedWish[] = []
  for (const wish of request.associations) {
    const checked = checkWish(wish, { isCreate })
    if (!checked.ok) return checked
    const named = isCreate ? withSubject(checked.value, resource.value) : checked
    if (!named.ok) return named
    wishes.push(named.value)
  }
  return success({ resource: resource.value, wishes })
}

/** The resource of any request that changes associations. */
export function checkResource(
  request: Omit<AssociationsRequest, 'associations'>,
  { isDryRun }: { readonly isDryRun: boolean },
): Outcome<Resource> {
  const { resourceName = '', resourceNamespace = '', resourceId = '' } = request
  const named =
    nameProblem('resourceName', resourceName) ?? nameProblem('resourceNamespace', resourceNamespace)
  if (named !== undefined) return named
  if (!isDryRun && resourceId === '') return invalid('resourceId', 'cannot be null or empty')
  if (resourceId.length > ID_LENGTH_MAX) return tooLong('resourceId')
  const resourceType = request.resourceType || DEFAULT_RESOURCE_TYPE
  if (resourceType !== DEFAULT_RESOURCE_TYPE) {
    return invalid('resourceType', `must be '${DEFAULT_RESOURCE_TYPE}'`)
  }
  return success({
    resourceName,
    resourceNamespace,
    resourceId: resourceId || undefined,
    resourceType,
  })
}

const NAME_LENGTH_MAX = 256
/** Of what paths name as well, which may be no longer. */
const ID_LENGTH_MAX = 2_000

function tooLong(property: string): Refused {
  return invalid(property, `exceeds max length of ${ID_LENGTH_MAX}`)
}

function nameProblem(property: string, name: string): Refused | undefined {
  if (name === '') return invalid(property, 'cannot be null or empty')
  if (name.length > NAME_LENGTH_MAX) {
    return invalid(property, `exceeds max length of ${NAME_LENGTH_MAX}`)
  }
  const [illegal] = /[^\p{L}\p{Nd}_-]/u.exec(name) ?? []
  return illegal === undefined ? undefined : invalid(property, `illegal character '${illegal}'`)
}

const ASSOCIATION_TYPES = ['key', 'value']

/** An association's type, which is `value` unless it is given. */
export function checkAssociationType(type: string | undefined): Outcome<string> {
  if (type === undefined || type === '') return success('value')
  if (ASSOCIATION_TYPES.includes(type)) return success(type)
  return invalid('associationType', `must be either 'key' or 'value'`)
}

function checkWish(
  wish: AssociationWish,
  { isCreate }: { readonly isCreate: boolean },
): Outcome<CheckedWish> {
  if (wish.subject !== undefined && (wish.subject === '' || /\p{Cc}/u.test(wish.subject))) {
    return invalid('subject', 'must not be empty')
  }
  if (wish.subject !== undefined && wish.subject.length > ID_LENGTH_MAX) return tooLong('subject')
  const filled = isCreate ? withDefaults(wish, { isCreate }) : success(wish)
  if (!filled.ok) return filled
  const associationType = checkAssociationType(wish.associationType)
  if (!associationType.ok) return associationType
  const { lifecycle, isFrozen, schema, subject } = filled.value
  if (lifecycle === 'WEAK') {
    if (schema !== undefined) return weakWithSchema()
    if (isFrozen === true) return weakAndFrozen()
    if (isCreate && subject === undefined) return weakWithoutSubject()
  }
  return success({ ...filled.value, associationType: associationType.value })
}

/**
 * What a new association is where the request does not say. One that is made with its schema owns its subject,
 * and is frozen if it is made together with its resource.
 */
export function withDefaults<Wish extends AssociationWish>(
  wish: Wish,
  { isCreate }: { readonly isCreate: boolean },
): Outcome<Wish> {
  if (wish.schema === undefined) {
    const { lifecycle = 'WEAK', isFrozen = false } = wish
    if (lifecycle === 'WEAK' && isFrozen) return weakAndFrozen()
    return success({ ...wish, lifecycle, isFrozen })
  }
  if (wish.lifecycle === 'WEAK') return weakWithSchema()
  if (wish.isFrozen !== undefined && wish.isFrozen !== isCreate) {
    const detail = isCreate
      ? 'cannot be false when schema is provided for create'
      : 'cannot be true when creating via upsert; use create instead'
    return invalid('frozen', detail)
  }
  return success({ ...wish, lifecycle: 'STRONG', isFrozen: isCreate })
}

function withSubject(wish: CheckedWish, resource: Resource): Outcome<CheckedWish> {
  const ofResource = defaultSubject(resource, wish.associationType)
  const subject = wish.subject ?? ofResource
  if (wish.isFrozen === true && subject !== ofResource) return frozenElsewhere(ofResource)
  if (wish.lifecycle === 'WEAK' && subject === ofResource) return weakAtDefault(ofResource)
  return success({ ...wish, subject })
}

/** The subject that belongs to the resource alone: in a context that has the name of its namespace. */
export function defaultSubject(
  { resourceName, resourceNamespace }: Pick<Resource, 'resourceName' | 'resourceNamespace'>,
  associationType: string,
): string {
  return `:.${resourceNamespace}:${resourceName}-${associationType}`
}

export function invalid(property: string, detail: string): Refused {
  return failed(
    'INVALID_ASSOCIATION',
    `The association specified an invalid value for property: '${property}', detail: ${detail}`,
  )
}

export function weakWithSchema(): Refused {
  return invalid('lifecycle', 'cannot be WEAK when schema is provided')
}

export function weakAndFrozen(): Refused {
  return invalid('frozen', 'association with lifecycle of WEAK cannot be frozen')
}

export function weakWithoutSubject(): Refused {
  return invalid('subject', 'must be provided for WEAK associations')
}

export function frozenElsewhere(subject: string): Refused {
  return invalid('subject', `frozen associations must use subject '${subject}'`)
}

export function weakAtDefault(subject: string): Refused {
  return invalid('subject', `WEAK associations cannot use subject '${subject}'`)
}
