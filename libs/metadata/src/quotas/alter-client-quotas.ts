import { truncated } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import type { Decision } from '../decision.ts'
import {
  type AlterClientQuotasRequest,
  type AlterClientQuotasResponse,
  ERROR_MESSAGE_LENGTH_MAX,
} from '../messages.ts'
import type { ClientQuotaRecord } from '../metadata-record.ts'
import { canonicalAddress } from './ip-address.ts'
import {
  type EntityPart,
  type QuotaEntity,
  type QuotaEntityType,
  entityKey,
  entityText,
  isQuotaEntityType,
} from './quota-entity.ts'
import { quotaProblem } from './quota-key.ts'
import type { QuotasImage } from './quotas-image.ts'

type Entry = AlterClientQuotasRequest['entries'][number]
type Refusal = { readonly errorCode: ErrorCode; readonly errorMessage: string }

/** Of all entities with a quota: all of them are kept in memory, and described in one answer. */
export const QUOTA_ENTITIES_MAX = 10_000
/** A client id that is longer has the default's quota. */
const ENTITY_NAME_LENGTH_MAX = 1_000

/**
 * AlterClientQuotas (key 49, KIP-546).
 *
 * v1  flexible
 *
 * Entities fail one by one, each with all of its changes or none; the request as a whole never does.
 * Unlike Kafka, an entity that is named twice is not changed at all, and an ip is an address.
 */
export function alterClientQuotas(
  image: QuotasImage,
  request: AlterClientQuotasRequest,
): Decision<AlterClientQuotasResponse> {
  const timesNamed = new Map<string, number>()
  for (const { entity } of request.entries) {
    timesNamed.set(nameOf(entity), (timesNamed.get(nameOf(entity)) ?? 0) + 1)
  }
  const records: ClientQuotaRecord[] = []
  const added = new Set<string>()
  const entries = request.entries.map((entry) => {
    const { entity } = entry
    const isRepeated = timesNamed.get(nameOf(entity)) !== 1
    const outcome = isRepeated
      ? refused(`Ignoring duplicate entity ${entityText(entity)}`)
      : alterEntity(image, entry, added)
    if ('errorCode' in outcome) return { ...outcome, entity }
    records.push(...outcome)
    return { errorCode: 'NONE' as const, errorMessage: null, entity }
  })
  return { records: request.validateOnly ? [] : records, response: { entries } }
}

/** `added` are the entities without a quota so far that this request gave one. */
function alterEntity(
  image: QuotasImage,
  { entity: parts, ops }: Entry,
  added: Set<string>,
): readonly ClientQuotaRecord[] | Refusal {
  const entity = entityOf(parts)
  if ('errorCode' in entity) return entity
  const before = image.valuesOf(entity)
  const records: ClientQuotaRecord[] = []
  const seen = new Set<string>()
  for (const { key, value, remove } of ops) {
    if (seen.has(key)) {
      const what = `not updating quota for this entity ${entityText(parts)}`
      return refused(`Duplicate quota key ${key} ${what}`)
    }
    seen.add(key)
    const problem = remove ? undefined : quotaProblem(entity, key, value)
    if (problem !== undefined) return refused(problem)
    const after = remove ? null : value
    if ((before.get(key) ?? null) !== after) {
      records.push({ kind: 'ClientQuotaRecord', entity, key, value: after })
    }
  }
  if (before.size > 0 || records.length === 0) return records
  if (image.size + added.size >= QUOTA_ENTITIES_MAX) {
    const message = `There are quotas of ${QUOTA_ENTITIES_MAX} entities already; remove some, or use defaults.`
    return { errorCode: 'POLICY_VIOLATION', errorMessage: message }
  }
  added.add(entityKey(entity))
  return records
}

function entityOf(parts: readonly EntityPart[]): QuotaEntity | Refusal {
  if (parts.length === 0) return refused('Invalid empty client quota entity')
  const entity: { [Type in QuotaEntityType]?: string | null } = {}
  for (const { entityType, entityName } of parts) {
    if (!isQuotaEntityType(entityType)) {
      return refused(`Unhandled client quota entity type: ${entityType}`)
    }
    if (entity[entityType] !== undefined) {
      return refused(`Invalid client quota entity, duplicate entity entry ${entityType}`)
    }
    if (entityName === '') return refused(`Empty ${entityType} not supported`)
    if ((entityName?.length ?? 0) > ENTITY_NAME_LENGTH_MAX) {
      return refused(`The ${entityType} is longer than ${ENTITY_NAME_LENGTH_MAX} characters`)
    }
    entity[entityType] = entityName
  }
  if (entity.ip === undefined) return entity
  if (parts.length > 1) {
    return refused(
      'Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId',
    )
  }
  if (entity.ip === null) return entity
  // One entity for each address: two that mean the same would undo each other.
  const ip = canonicalAddress(entity.ip)
  return ip === undefined ? refused(`${entity.ip} is not a valid IP or resolvable host.`) : { ip }
}

/** The same for an entity however its parts are ordered, and its address is written. */
function nameOf(parts: readonly EntityPart[]): string {
  const names = parts.map(({ entityType, entityName }) => {
    const address = entityType === 'ip' ? canonicalAddress(entityName ?? '') : undefined
    return JSON.stringify([entityType, address ?? entityName])
  })
  return names.toSorted(compareText).join(' ')
}

function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

function refused(message: string): Refusal {
  return {
    errorCode: 'INVALID_REQUEST',
    errorMessage: truncated(message, ERROR_MESSAGE_LENGTH_MAX),
  }
}
