import type { RequestOf, ResponseBody } from '@fairlead/protocol'

/** As Kafka spells them; a filter is compared with regard to case. */
const STATES: ReadonlySet<string> = new Set([
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
])

/**
 * ListTransactions (key 66).
 *
 * v1  filter by duration (KIP-994)
 * v2  filter by a pattern of the transactional id (KIP-1152)
 *
 * No transaction can begin here: the list is empty, whatever the filters.
 */
export function handleListTransactions({
  stateFilters,
}: RequestOf<'ListTransactions'>): ResponseBody<'ListTransactions'> {
  return {
    errorCode: 'NONE',
    unknownStateFilters: stateFilters.filter((state) => !STATES.has(state)),
    transactionStates: [],
  }
}
