type Row = Readonly<Record<string, unknown>>

/** A row as it is, and as it would be; null where it is not there. */
export type RowChange = {
  /** With the schema in front where each tenant has one: that of the views. */
  readonly table: string
  readonly before: Row | null
  readonly after: Row | null
}

/**
 * Of each row what it was before all changes, and what it is after them, where these differ. A row is
 * known by its key; of a table without one, each change stands alone.
 */
export function netChanges(
  noted: readonly RowChange[],
  keyColumns: ReadonlyMap<string, readonly string[]>,
): readonly RowChange[] {
  const byRow = new Map<string, RowChange>()
  for (const [index, change] of noted.entries()) {
    for (const { table, before, after } of byKey(change, keyColumns)) {
      const row = JSON.stringify([table, keyOf(keyColumns.get(table), before ?? after) ?? index])
      const known = byRow.get(row)
      byRow.set(row, { table, before: known === undefined ? before : known.before, after })
    }
  }
  return [...byRow.values()].filter(
    ({ before, after }) => JSON.stringify(before) !== JSON.stringify(after),
  )
}

/** A row that gets another key is gone under the one that it had. */
function byKey(
  change: RowChange,
  keyColumns: ReadonlyMap<string, readonly string[]>,
): readonly RowChange[] {
  const { table, before, after } = change
  const columns = keyColumns.get(table)
  if (before === null || after === null || columns === undefined) return [change]
  if (JSON.stringify(keyOf(columns, before)) === JSON.stringify(keyOf(columns, after))) {
    return [change]
  }
  return [
    { table, before, after: null },
    { table, before: null, after },
  ]
}

function keyOf(
  columns: readonly string[] | undefined,
  row: Row | null,
): readonly unknown[] | undefined {
  return columns?.map((column) => row?.[column])
}
