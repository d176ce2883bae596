import {
  type AlterClientQuotasRequestOp,
  type ClientQuotaKey,
  alterClientQuotasV1,
  describeClientQuotasV0,
  packageExchange,
} from './platformatic-apis.ts'
import type { Cluster } from '../cluster.ts'
import { expectNoError, responseError } from '../error-codes.ts'
import { toAnyBroker } from './attempts.ts'
import { compareText } from './compare-text.ts'
import { partsOf, quotaEntityText } from './quota-entity.ts'
import type { QuotaChange, QuotaDescription, QuotaEntity } from './types.ts'

/** Kafka's `DescribeClientQuotasRequest.MATCH_TYPE_…`. */
const MATCH_EXACT = 0
const MATCH_DEFAULT = 1
const INVALID_REQUEST = 42

export async function describeQuotas(
  cluster: Cluster,
  filter: QuotaEntity,
): Promise<readonly QuotaDescription[]> {
  const what = 'quotas'
  const components = partsOf(filter).map(({ entityType, entityName }) =>
    entityName === null
      ? ({ entityType, matchType: MATCH_DEFAULT } as const)
      : ({ entityType, matchType: MATCH_EXACT, match: entityName } as const),
  )
  const response = await toAnyBroker(cluster, what, (connection, call) =>
    connection.exchange(packageExchange(describeClientQuotasV0.api, [components, false]), call),
  )
  expectNoError(response.errorCode, what, response.errorMessage)
  return (response.entries ?? [])
    .map(({ entity, values }) => ({
      entity: Object.fromEntries(
        entity.map(({ entityType, entityName }) => [entityType, entityName ?? null]),
      ) as QuotaEntity,
      values: Object.fromEntries(values.map(({ key, value }) => [key, value])),
    }))
    .toSorted((a, b) => compareText(quotaEntityText(a.entity), quotaEntityText(b.entity)))
}

export async function alterQuotas(
  cluster: Cluster,
  entity: QuotaEntity,
  changes: readonly QuotaChange[],
  options: { readonly validateOnly: boolean },
): Promise<void> {
  const what = `quotas of ${quotaEntityText(entity)}`
  const ops = changes.map(({ key, value }): AlterClientQuotasRequestOp => {
    // The broker knows which keys there are.
    const name = key as ClientQuotaKey
    return value === null ? { key: name, remove: true } : { key: name, value, remove: false }
  })
  const request = { entities: partsOf(entity), ops }
  const response = await toAnyBroker(cluster, what, (connection, call) =>
    connection.exchange(
      packageExchange(alterClientQuotasV1.api, [[request], options.validateOnly]),
      call,
    ),
  )
  const [result] = response.entries
  if (result === undefined) throw responseError(INVALID_REQUEST, what)
  expectNoError(result.errorCode, what, result.errorMessage)
}
