import type { BatchLedger } from './batch-ledger.ts'
import { addChanges, changeRow } from './commutative-columns.ts'
import type { AnyEvent, CommutativeProjection, FoldHandler, FoldProjection } from './definition.ts'
import { rowKeyOf, sortedKeys } from './fold.ts'
import { isGivenPromise } from './given-promise.ts'
import { enrichedFor } from './looked-up.ts'
import type { PreparedRecord } from './log-record.ts'
import type { Row, RowKey } from './table.ts'

/**
 * Adds up what the events of a batch change: one change per row, in key order, to be written without
 * reading the rows. An event whose handler throws adds nothing.
 */
export function addUpBatch(
  projection: CommutativeProjection,
  batch: {
    readonly records: readonly PreparedRecord[]
    readonly ledger: BatchLedger
    readonly enriched?: unknown
  },
): readonly Row[] {
  const { records, ledger, enriched } = batch
  const sums = new Map<RowKey, Row>()
  for (const prepared of records) {
    const event = ledger.open(prepared)
    if (event === null) continue
    try {
      const { rowKey, change } = changeOf(projection, event, enriched)
      const sum = sums.get(rowKey)
      sums.set(rowKey, sum === undefined ? change : addChanges(projection, sum, change))
      ledger.applied()
    } catch (error) {
      ledger.failed(prepared, error, 'handle')
    }
  }
  return sortedKeys([...sums.keys()]).map((key) => sums.get(key) as Row)
}

/** What one event changes. */
export function changeOf(
  projection: CommutativeProjection,
  event: AnyEvent,
  enriched?: unknown,
): { readonly rowKey: RowKey; readonly change: Row } {
  const rowKey = rowKeyOf(projection, event)
  const change = projection.on[event.type]?.(event, enrichedFor(projection, enriched, event))
  return { rowKey, change: rowOf(projection, rowKey, change) }
}

/** What is no change would pass for one that leaves out every column. */
function rowOf(projection: CommutativeProjection, rowKey: RowKey, change: unknown): Row {
  const isPromise = isGivenPromise(change)
  const isChange = typeof (change ?? {}) === 'object' && !isPromise
  if (isChange) return changeRow(projection, rowKey, (change ?? {}) as Row)
  throw new TypeError(
    `a handler of ${projection.table.name} returned a ${isPromise ? 'promise' : typeof change}: it returns what its event adds to columns, at once, or nothing`,
  )
}

/**
 * A fold that comes to the same rows, from the first event on: for who says what a row should be without the
 * table, which adds up what is written to it.
 */
export function foldOfChanges(projection: CommutativeProjection): FoldProjection {
  const { operations, table, on: handlers, ...common } = projection
  const { keyColumn } = table
  const isNew = (row: Row): boolean => Object.keys(row).length < Object.keys(table.columns).length
  const on = Object.entries(handlers).map(([type, handler]): [string, FoldHandler] => [
    type,
    (row, event, enriched) => {
      const change = rowOf(projection, row[keyColumn] as RowKey, handler(event, enriched))
      return isNew(row) ? change : addChanges({ table, operations }, row, change)
    },
  ])
  return {
    ...common,
    kind: 'fold',
    table,
    mayShareRows: true,
    initial: (key) => ({ [keyColumn]: key }),
    on: Object.fromEntries(on),
  }
}
