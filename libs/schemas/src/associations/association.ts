/** Confluent's 8.2: which subject the keys or values of a resource (a topic) have their schemas in. */

export const LIFECYCLES = ['STRONG', 'WEAK'] as const
/** STRONG owns its subject, which no other association may then have; WEAK shares it. */
export type Lifecycle = (typeof LIFECYCLES)[number]

/** What names an association; a record stands for it. */
export type AssociationKey = {
  readonly resourceName: string
  readonly resourceNamespace: string
  readonly resourceType: string
  readonly associationType: string
  readonly subject: string
}

export type Association = AssociationKey & {
  readonly guid: string
  readonly resourceId: string
  readonly lifecycle: Lifecycle
  /** A frozen one cannot be changed, and goes only with its subject. */
  readonly isFrozen: boolean
  /** When it was made, and changed last, in milliseconds since 1970; undefined where the log tells no times. */
  readonly createTimestampMs: number | undefined
  readonly updateTimestampMs: number | undefined
}

/** Part of an association's path or query: undefined, and for names `-`, is any. */
export type AssociationFilter = {
  readonly resourceType?: string | undefined
  /** Empty is any. */
  readonly associationTypes?: readonly string[] | undefined
  readonly lifecycle?: Lifecycle | undefined
}

export const DEFAULT_RESOURCE_TYPE = 'topic'
export const ANY_NAME = '-'

export function isWithin(
  { resourceType, associationTypes = [], lifecycle }: AssociationFilter,
  association: Association,
): boolean {
  return (
    (resourceType === undefined || association.resourceType === resourceType) &&
    (associationTypes.length === 0 || associationTypes.includes(association.associationType)) &&
    (lifecycle === undefined || association.lifecycle === lifecycle)
  )
}
