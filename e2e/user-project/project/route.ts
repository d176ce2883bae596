import { type OutboxRow, defineRoute } from '@fairlead/cdc'

function shelf({ columns, headers }: OutboxRow): string {
  return headers['shelf'] ?? columns['shelf'] ?? 'other'
}

/** Loans by the shelf of their book. */
export const route = defineRoute((row) =>
  row.aggregateType === 'loan' ? { topic: `loans.${shelf(row)}` } : {},
)
