import pg from 'pg'

/**
 * - `initial`: rows that are older than the slot are published.
 * - `always`: those of captured tables at each start of the process, too.
 * - `when_needed`: as `initial`, and a slot that is lost is made good from the tables.
 * - `initial_only`: what the tables hold is published once, and the log is not read.
 * - `no_data`: nothing that is older than the slot.
 */
type SnapshotMode = 'initial' | 'always' | 'when_needed' | 'initial_only' | 'no_data'

export type SourceOptions = {
  readonly slotName: string
  readonly failover: boolean
  readonly publicationName: string
  /** `schema.table` */
  readonly tables: readonly string[]
  readonly databaseUrl: string
  readonly capture: CaptureSource | undefined
  readonly columns: {
    /** Each of the tables must have them. */
    readonly required: readonly string[]
    readonly id: string
    /** A table may lack it. */
    readonly timestamp: string
  }
  /** Debezium's `snapshot.mode`. */
  readonly snapshotMode: SnapshotMode
}

/** Ordinary tables whose changes are published. */
export type CaptureSource = {
  readonly publicationName: string
  /** For the whole of `schema.table`. */
  readonly tables: readonly RegExp[]
  /** Outbox tables: their rows are events already. */
  readonly except: readonly string[]
}

/** The publications that a session reads; without outbox tables that of the outbox is none. */
export function publicationNames(options: SourceOptions): readonly string[] {
  const outbox = options.tables.length === 0 ? [] : [options.publicationName]
  return options.capture === undefined ? outbox : [...outbox, options.capture.publicationName]
}

/** The parts of `schema.table`. The name of a table may have dots, too. */
export function partsOfTable(table: string): readonly [schema: string, name: string] {
  const dot = table.indexOf('.')
  return [table.slice(0, dot), table.slice(dot + 1)]
}

/** `schema.table` for a statement. */
export function quotedTable(table: string): string {
  return partsOfTable(table)
    .map((part) => pg.escapeIdentifier(part))
    .join('.')
}
