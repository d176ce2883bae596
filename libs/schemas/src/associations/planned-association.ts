import { qualifiedLike } from '../context.ts'
import { type Outcome, failed, noLiveVersion, success } from '../failure.ts'
import type { SchemaRequest } from '../schema-request.ts'
import type { SubjectView } from '../subject-view.ts'
import type { Association, Lifecycle } from './association.ts'
import {
  type AssociationsOptions,
  type CheckedAssociations,
  type CheckedWish,
  type Resource,
  defaultSubject,
  frozenElsewhere,
  invalid,
  weakAndFrozen,
  weakAtDefault,
  weakWithSchema,
  weakWithoutSubject,
  withDefaults,
} from './association-request.ts'

/** One association as the request would have it, on what is stored. */
export type PlannedAssociation = {
  readonly wish: CheckedWish
  readonly subject: string
  readonly existing: Association | undefined
  readonly lifecycle: Lifecycle
  /** It is already what the request wants. */
  readonly isThere: boolean
  readonly schema: SchemaRequest | undefined
}

/** `context` is where subjects are that name none: `:.ctx:`, or empty for the default one. */
export function planAssociations(
  view: SubjectView,
  { resource, wishes }: CheckedAssociations,
  options: AssociationsOptions & { readonly context: string },
): Outcome<readonly PlannedAssociation[]> {
  const inPlace: CheckedWish[] = []
  for (const wish of wishes) {
    const placed = resolvedSubject(view, wish, options.context)
    if (!placed.ok) return placed
    inPlace.push(placed.value)
  }
  const types = inPlace.map(({ associationType }) => associationType)
  const repeated = types.find((type, index) => types.indexOf(type) !== index)
  if (repeated !== undefined) {
    return invalid('associationType', `Duplicate association type: ${repeated}`)
  }
  const known = knownAssociations(view, resource, options)
  const planned: PlannedAssociation[] = []
  for (const wish of inPlace) {
    const plan = planOne(wish, { resource, existing: known.get(wish.associationType), options })
    if (!plan.ok) return plan
    // Also where the subject was not named.
    const writable = view.checkWritable(plan.value.subject)
    if (!writable.ok) return writable
    planned.push(plan.value)
  }
  for (const plan of planned) {
    const fits = checkBeginning(view, plan, options)
    if (!fits.ok) return fits
  }
  for (const plan of planned) {
    const fits = checkSubjectOf(view, plan, planned)
    if (!fits.ok) return fits
  }
  return success(planned)
}

/**
 * Every subject that a request may write to or change, as it is named and behind its alias, and the resource
 * that it is one of: an association that is there is found by its id alone, and may be another name's.
 */
export function subjectsOf(
  view: SubjectView,
  { resource, wishes }: CheckedAssociations,
  context: string,
): readonly Pick<Association, 'resourceName' | 'associationType' | 'subject'>[] {
  const { resourceId = '', resourceType, resourceName } = resource
  return wishes.flatMap(({ subject, associationType }) => {
    const existing = view.image.associations.ofResourceId(resourceId, {
      resourceType,
      associationTypes: [associationType],
    })
    const named = qualifiedLike(context, subject ?? defaultSubject(resource, associationType))
    const subjects = new Set([named, view.aliased(named)])
    const asked = [...subjects].map((each) => ({ resourceName, associationType, subject: each }))
    return [...existing, ...asked]
  })
}

/** In its context, and behind its alias; refused where nothing may be written. */
function resolvedSubject(
  view: SubjectView,
  wish: CheckedWish,
  context: string,
): Outcome<CheckedWish> {
  if (wish.subject === undefined) return success(wish)
  const subject = view.aliased(qualifiedLike(context, wish.subject))
  const writable = view.checkWritable(subject)
  return writable.ok ? success({ ...wish, subject }) : writable
}

/** By their types. A dry run may not know the resource's id yet: then the newest of its name are meant. */
function knownAssociations(
  view: SubjectView,
  { resourceId, resourceType, resourceName: name, resourceNamespace: namespace }: Resource,
  { isCreate, isDryRun }: AssociationsOptions,
): ReadonlyMap<string, Association> {
  const { associations } = view.image
  if (resourceId !== undefined) {
    const found = associations.ofResourceId(resourceId, { resourceType })
    return new Map(found.map((association) => [association.associationType, association]))
  }
  if (!isCreate || !isDryRun) return new Map()
  const ageOf = ({ updateTimestampMs = 0 }: Association): number => updateTimestampMs
  const oldestFirst = associations
    .ofResource({ namespace, name }, { resourceType })
    .toSorted((left, right) => ageOf(left) - ageOf(right))
  return new Map(oldestFirst.map((association) => [association.associationType, association]))
}

function planOne(
  asked: CheckedWish,
  {
    resource,
    existing,
    options,
  }: {
    readonly resource: Resource
    readonly existing: Association | undefined
    readonly options: AssociationsOptions
  },
): Outcome<PlannedAssociation> {
  const isNewByUpdate = existing === undefined && !options.isCreate
  const filled = isNewByUpdate ? withDefaults(asked, { isCreate: false }) : success(asked)
  if (!filled.ok) return filled
  const wish = filled.value
  const ofResource = defaultSubject(existing ?? resource, wish.associationType)
  const subject =
    wish.subject ?? existing?.subject ?? (wish.lifecycle === 'STRONG' ? ofResource : undefined)
  if (subject === undefined) return weakWithoutSubject()
  const lifecycle = wish.lifecycle ?? existing?.lifecycle
  if (lifecycle === undefined) return invalid('lifecycle', 'lifecycle must be set')
  if (lifecycle === 'WEAK') {
    if (wish.schema !== undefined) return weakWithSchema()
    if (subject === ofResource) return weakAtDefault(ofResource)
  }
  const isFrozen = existing?.isFrozen ?? wish.isFrozen === true
  if (isFrozen && subject !== ofResource) return frozenElsewhere(ofResource)
  const plan = { wish, subject, existing, lifecycle, schema: wish.schema }
  if (existing === undefined) return success({ ...plan, isThere: false })
  if (isEquivalent(existing, { ...wish, subject })) return success({ ...plan, isThere: true })
  return checkChange({ ...plan, existing, isThere: false }, { ofResource, options })
}

function isEquivalent(
  existing: Association,
  { subject, lifecycle, isFrozen }: CheckedWish,
): boolean {
  return (
    existing.subject === subject &&
    (lifecycle ?? existing.lifecycle) === existing.lifecycle &&
    (isFrozen ?? existing.isFrozen) === existing.isFrozen
  )
}

function checkChange(
  plan: PlannedAssociation & { readonly existing: Association },
  { ofResource, options }: { readonly ofResource: string; readonly options: AssociationsOptions },
): Outcome<PlannedAssociation> {
  const { existing, wish, subject } = plan
  if (options.isCreate) return resourceIsAssociated(existing)
  if (wish.lifecycle === undefined && wish.schema === undefined) {
    return invalid('lifecycle', 'at least lifecycle or schema must be provided for update')
  }
  if (existing.subject !== subject) {
    return invalid(
      'subject',
      `subject of association cannot be changed from '${existing.subject}' to '${subject}'`,
    )
  }
  if (existing.lifecycle === 'STRONG' && wish.lifecycle === 'WEAK' && subject === ofResource) {
    const detail = `cannot change to WEAK when subject matches default format '${ofResource}'`
    return invalid('lifecycle', detail)
  }
  if (wish.isFrozen !== undefined && wish.isFrozen !== existing.isFrozen) {
    return invalid('frozen', 'frozen attribute of association cannot be changed')
  }
  return existing.isFrozen ? associationIsFrozen(existing) : success(plan)
}

/** A frozen association begins with its subject, but where both are imported. */
function checkBeginning(
  view: SubjectView,
  { existing, wish, schema, subject }: PlannedAssociation,
  { isCreate }: AssociationsOptions,
): Outcome<void> {
  const isBegun = existing === undefined && wish.isFrozen === true && isCreate
  if (!isBegun || schema !== undefined || view.effectiveMode(subject) === 'IMPORT') {
    return success(undefined)
  }
  return invalid('schema', 'schema must be provided when creating a frozen association')
}

/** What else is associated with the subject, in this request or before, and whether there is a schema. */
function checkSubjectOf(
  view: SubjectView,
  plan: PlannedAssociation,
  planned: readonly PlannedAssociation[],
): Outcome<void> {
  const { subject, existing, lifecycle, wish, schema } = plan
  if (schema === undefined && view.versions(subject, {}).length === 0) return noLiveVersion(subject)
  const stored = view.image.associations.ofSubject(subject)
  const others = [
    ...stored.filter((association) => !isSame(association, existing)),
    ...planned.filter((other) => other !== plan && other.subject === subject),
  ]
  if (lifecycle === 'STRONG') {
    if (others.length === 0) return success(undefined)
    const message = `An association already exists for subject '${subject}'`
    return failed('SUBJECT_IS_ASSOCIATED', message)
  }
  if (wish.isFrozen === true) return weakAndFrozen()
  if (!others.some((other) => other.lifecycle === 'STRONG')) return success(undefined)
  return failed('SUBJECT_IS_OWNED', `A strong association already exists for subject '${subject}'`)
}

function isSame(association: Association, other: Association | undefined): boolean {
  return (
    association.resourceId === other?.resourceId &&
    association.resourceType === other.resourceType &&
    association.associationType === other.associationType
  )
}

export function resourceIsAssociated({
  associationType,
  resourceName,
}: Association): Outcome<never> {
  return failed(
    'RESOURCE_IS_ASSOCIATED',
    `An association of type '${associationType}' already exists for resource '${resourceName}'`,
  )
}

export function associationIsFrozen({ associationType, subject }: Association): Outcome<never> {
  return failed(
    'ASSOCIATION_FROZEN',
    `The association of type  '${associationType}' is frozen for subject '${subject}'`,
  )
}
