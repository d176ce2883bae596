/** What a quota is for, in the order in which answers name them (KIP-546). */
const QUOTA_ENTITY_TYPES = ['user', 'client-id', 'ip'] as const

export type QuotaEntityType = (typeof QUOTA_ENTITY_TYPES)[number]

/**
 * Whom a quota limits: a user, a client id, both together, or an address. Null is the default: all of
 * the type that have no quota of their own.
 */
export type QuotaEntity = { readonly [Type in QuotaEntityType]?: string | null }

export type EntityPart = { readonly entityType: string; readonly entityName: string | null }

export function isQuotaEntityType(text: string): text is QuotaEntityType {
  return (QUOTA_ENTITY_TYPES as readonly string[]).includes(text)
}

/** The parts of an entity, as messages and records list them. */
export function entityParts(entity: QuotaEntity): EntityPart[] {
  return QUOTA_ENTITY_TYPES.flatMap((entityType) => {
    const entityName = entity[entityType]
    return entityName === undefined ? [] : [{ entityType, entityName }]
  })
}

/** Equal for equal entities, and only for them. */
export function entityKey(entity: QuotaEntity): string {
  return JSON.stringify(
    entityParts(entity).map(({ entityType, entityName }) => [entityType, entityName]),
  )
}

/** As Kafka's `ClientQuotaEntity` prints itself: messages quote it. */
export function entityText(parts: readonly EntityPart[]): string {
  const entries = parts.map(({ entityType, entityName }) => `${entityType}=${entityName}`)
  return `ClientQuotaEntity(entries={${entries.join(', ')}})`
}
