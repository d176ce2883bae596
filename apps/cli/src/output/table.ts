import type { Column } from './output.ts'

const GAP = '  '
const ABSENT = '-'

/** Columns side by side, without borders, as kubectl prints them; titles are in capitals. */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: { readonly hasHeader: boolean },
): string {
  const body = rows.map((row) => columns.map((column) => cellText(row, column)))
  const header = columns.map(({ title }) => title.toUpperCase())
  const lines = options.hasHeader ? [header, ...body] : body
  const widths = columns.map((_, index) =>
    lines.reduce((width, line) => Math.max(width, line[index]?.length ?? 0), 0),
  )
  const format = (line: readonly string[]): string =>
    columns
      .map(({ align }, index) => {
        const text = line[index] ?? ''
        const width = widths[index] ?? 0
        return align === 'right' ? text.padStart(width) : text.padEnd(width)
      })
      .join(GAP)
      .trimEnd()
  return lines.map((line) => `${format(line)}\n`).join('')
}

/** Control characters would move the cursor: names and values come from others. */
function cellText<Row>(row: Row, { value, lengthMax = Infinity }: Column<Row>): string {
  // oxlint-disable-next-line no-control-regex
  const text = String(value(row)).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) =>
    JSON.stringify(character).slice(1, -1),
  )
  if (text === '') return ABSENT
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`
}
