import type { BatchLedger } from './batch-ledger.ts'
import type { FoldProjection } from './definition.ts'
import { type ChangedRows, foldEvent, rowKeyOf } from './fold.ts'
import type { PreparedRecord } from './log-record.ts'
import type { Row, RowKey } from './table.ts'

/** What a batch would make of its rows, if every record that can be folded is applied. */
export type TrialFold = {
  readonly changed: ChangedRows
  /** Row key of each record; undefined for one that has none. */
  readonly rowKeys: ReadonlyMap<PreparedRecord, RowKey | undefined>
  /** Rows of events whose handler failed, and units of events that have no row key. */
  readonly suspects: Suspects
}

/** What is to be looked at event by event. */
export type Suspects = { readonly rows: ReadonlySet<RowKey>; readonly units: ReadonlySet<string> }

/**
 * Folds the records without any consequence: nothing is parked, skipped or tried again. Events behind one
 * that cannot be decoded are left out, as they will be set aside.
 */
export function trialFold(
  projection: FoldProjection,
  batch: {
    readonly records: readonly PreparedRecord[]
    readonly rows: ReadonlyMap<RowKey, Row>
    readonly ledger: Pick<BatchLedger, 'isParked'>
    readonly enriched: unknown
  },
): TrialFold {
  const { records, rows, ledger, enriched } = batch
  const changed: ChangedRows = new Map()
  const rowKeys = new Map<PreparedRecord, RowKey | undefined>()
  const suspects = { rows: new Set<RowKey>(), units: new Set<string>() }
  const undecodable = new Set<string>()
  for (const prepared of records) {
    const { key, content } = prepared
    if (content.kind === 'undecodable') undecodable.add(key)
    if (content.kind !== 'event' || undecodable.has(key) || ledger.isParked(key)) continue
    const { event } = content
    let rowKey: RowKey | undefined
    try {
      rowKey = rowKeyOf(projection, event)
      const row = changed.has(rowKey) ? changed.get(rowKey) : rows.get(rowKey)
      changed.set(rowKey, foldEvent(projection, { rowKey, row, event, enriched }))
    } catch {
      if (rowKey === undefined) suspects.units.add(key)
      else suspects.rows.add(rowKey)
    }
    rowKeys.set(prepared, rowKey)
  }
  return { changed, rowKeys, suspects }
}

/**
 * The records that share a row or a unit with a suspect, or with a record that does, and so on: what
 * becomes of them depends on each other, and on nothing else in the batch. Both parts are in log order.
 */
export function setSuspectsApart(
  records: readonly PreparedRecord[],
  rowKeys: TrialFold['rowKeys'],
  suspects: Suspects,
): { readonly apart: readonly PreparedRecord[]; readonly rest: readonly PreparedRecord[] } {
  const rowsOfUnit = new Map<string, Set<RowKey>>()
  const unitsOfRow = new Map<RowKey, Set<string>>()
  for (const [{ key }, rowKey] of rowKeys) {
    if (rowKey === undefined) continue
    link(rowsOfUnit, key, rowKey)
    link(unitsOfRow, rowKey, key)
  }
  const units = new Set(suspects.units)
  const rows = new Set(suspects.rows)
  // A set gives what is added to it while it is gone through, too.
  for (const row of rows) for (const unit of unitsOfRow.get(row) ?? []) units.add(unit)
  for (const unit of units) {
    for (const row of rowsOfUnit.get(unit) ?? []) {
      if (rows.has(row)) continue
      rows.add(row)
      for (const sharing of unitsOfRow.get(row) ?? []) units.add(sharing)
    }
  }
  return {
    apart: records.filter(({ key }) => units.has(key)),
    rest: records.filter(({ key }) => !units.has(key)),
  }
}

function link<From, To>(links: Map<From, Set<To>>, from: From, to: To): void {
  const known = links.get(from)
  if (known === undefined) links.set(from, new Set([to]))
  else known.add(to)
}
