import pg from 'pg'

export type SourceOptions = {
  readonly slotName: string
  readonly failover: boolean
  readonly publicationName: string
  /** `schema.table` */
  readonly tables: readonly string[]
  readonly databaseUrl: string
  readonly columns: {
    /** Each of the tables must have them. */
    readonly required: readonly string[]
    readonly id: string
    /** A table may lack it. */
    readonly timestamp: string
  }
  /** Debezium's `snapshot.mode`: whether rows that are older than the slot are published. */
  readonly snapshotMode: 'initial' | 'no_data'
}

/** `schema.table` for a statement. */
export function quotedTable(table: string): string {
  return table
    .split('.')
    .map((part) => pg.escapeIdentifier(part))
    .join('.')
}
