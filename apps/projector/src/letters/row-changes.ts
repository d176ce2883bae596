type Row = Readonly<Record<string, unknown>>

/** A row as it is, and as it would be; null where it is not there. */
export type RowChange = {
  /** With the schema in front where each tenant has one: that of the views. */
  readonly table: string
  readonly before: Row | null
  readonly after: Row | null
}

/**
 * A row that is written as JSON. A number that is no double is the text of its digits: rounded, rows
 * and values that differ would be taken for one.
 */
export function readRow(json: string): Row
export function readRow(json: string | null): Row | null
export function readRow(json: string | null): Row | null {
  if (json === null) return null
  const reviver = (_: string, value: unknown, { source }: { readonly source?: string }): unknown =>
    typeof value === 'number' && source !== undefined && !isSameDecimal(source, String(value))
      ? source
      : value
  return JSON.parse(json, reviver as Parameters<typeof JSON.parse>[1]) as Row
}

function isSameDecimal(one: string, other: string): boolean {
  return normalized(one) === normalized(other)
}

/** One text for each number: `12.50` and `1.25e+1` are `125e-1`. */
function normalized(decimal: string): string {
  const [coefficient = '', exponent = '0'] = decimal.split('e')
  const [integer = '', fraction = ''] = coefficient.split('.')
  const digits = `${integer}${fraction}`.replace(/^(-?)0+/, '$1')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
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
