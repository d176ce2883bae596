/**
 * Pairs as many rows with columns as there can be, each at most once, where the table has a value:
 * augmenting paths, one row after the other.
 */
export function maximumMatching(
  table: readonly (readonly (object | undefined)[])[],
): (readonly [row: number, column: number])[] {
  const rowOf = new Map<number, number>()

  const place = (row: number, tried: Set<number>): boolean => {
    for (const [column, value] of (table[row] ?? []).entries()) {
      if (value === undefined || tried.has(column)) continue
      tried.add(column)
      const holder = rowOf.get(column)
      if (holder === undefined || place(holder, tried)) {
        rowOf.set(column, row)
        return true
      }
    }
    return false
  }
  for (const row of table.keys()) place(row, new Set())
  return [...rowOf].map(([column, row]) => [row, column] as const)
}
