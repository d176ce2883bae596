import type { QuotaEntity } from './types.ts'

const ENTITY_TYPES = ['user', 'client-id', 'ip'] as const

/** `user alice, every client-id`: for people. */
export function quotaEntityText(entity: QuotaEntity): string {
  return partsOf(entity)
    .map(({ entityType, entityName }) =>
      entityName === null ? `every ${entityType}` : `${entityType} ${entityName}`,
    )
    .join(', ')
}

/** What the entity is made of. */
export function partsOf(
  entity: QuotaEntity,
): { readonly entityType: (typeof ENTITY_TYPES)[number]; readonly entityName: string | null }[] {
  return ENTITY_TYPES.flatMap((entityType) => {
    const entityName = entity[entityType]
    return entityName === undefined ? [] : [{ entityType, entityName }]
  })
}
