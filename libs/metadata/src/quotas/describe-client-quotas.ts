import { truncated } from '@fairlead/base'
import type { ErrorCode } from '@fairlead/protocol'
import {
  type DescribeClientQuotasRequest,
  type DescribeClientQuotasResponse,
  ERROR_MESSAGE_LENGTH_MAX,
} from '../messages.ts'
import { canonicalAddress } from './ip-address.ts'
import {
  type QuotaEntity,
  type QuotaEntityType,
  entityParts,
  isQuotaEntityType,
} from './quota-entity.ts'
import type { QuotasImage } from './quotas-image.ts'

type Component = DescribeClientQuotasRequest['components'][number]
type Refusal = { readonly errorCode: ErrorCode; readonly errorMessage: string }

const EXACT = 0
const DEFAULT = 1
const SPECIFIED = 2

/** Any name of this type, the default among them. */
const ANY = Symbol('any')
type Filter = Map<QuotaEntityType, string | null | typeof ANY>

/**
 * DescribeClientQuotas (key 48, KIP-546): the quotas of the entities that match every component.
 * `strict` leaves out entities of more types than the filter names.
 *
 * v1  flexible
 */
export function describeClientQuotas(
  image: QuotasImage,
  { components, strict }: DescribeClientQuotasRequest,
): DescribeClientQuotasResponse {
  const filter = filterOf(components)
  if ('errorCode' in filter) return { ...filter, entries: null }
  const entries = [...image.entities()]
    .filter(({ entity }) => matches(entity, filter, strict))
    .map(({ entity, values }) => ({
      entity: entityParts(entity),
      values: Array.from(values, ([key, value]) => ({ key, value })),
    }))
  return { errorCode: 'NONE', errorMessage: null, entries }
}

function filterOf(components: readonly Component[]): Filter | Refusal {
  const filter: Filter = new Map()
  for (const { entityType, matchType, match } of components) {
    if (entityType === '') return refused('Invalid empty entity type.')
    if (!isQuotaEntityType(entityType)) {
      return refused(`Unsupported entity type ${entityType}`, 'UNSUPPORTED_VERSION')
    }
    if (filter.has(entityType)) {
      return refused(`Entity type ${entityType} cannot appear more than once in the filter.`)
    }
    const wanted = wantedName(matchType, match)
    if (typeof wanted === 'object' && wanted !== null) return wanted
    const isAddress = entityType === 'ip' && typeof wanted === 'string'
    filter.set(entityType, isAddress ? (canonicalAddress(wanted) ?? wanted) : wanted)
  }
  if (filter.has('ip') && filter.size > 1) {
    return refused(
      'Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.',
    )
  }
  return filter
}

function wantedName(matchType: number, match: string | null): string | null | typeof ANY | Refusal {
  switch (matchType) {
    case EXACT:
      return match ?? refused('Request specified MATCH_TYPE_EXACT, but set match string to null.')
    case DEFAULT:
      return match === null ? null : matchRefused('MATCH_TYPE_DEFAULT')
    case SPECIFIED:
      return match === null ? ANY : matchRefused('MATCH_TYPE_SPECIFIED')
    default:
      return refused(`Unknown match type ${matchType}`)
  }
}

function matches(entity: QuotaEntity, filter: Filter, isStrict: boolean): boolean {
  if (isStrict && entityParts(entity).length !== filter.size) return false
  return Array.from(filter).every(([type, wanted]) => {
    const name = entity[type]
    return name !== undefined && (wanted === ANY || wanted === name)
  })
}

function matchRefused(type: string): Refusal {
  return refused(`Request specified ${type}, but also specified a match string.`)
}

function refused(message: string, errorCode: ErrorCode = 'INVALID_REQUEST'): Refusal {
  return { errorCode, errorMessage: truncated(message, ERROR_MESSAGE_LENGTH_MAX) }
}
