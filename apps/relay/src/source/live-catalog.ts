import type { SourceCatalog, TableFacts, UserType } from '@fairlead/cdc'
import type pg from 'pg'
import { readCatalog } from './read-catalog.ts'

/**
 * The catalog of a session. It follows the log, which announces a table before its first row, and anew
 * whenever something about it has changed, nullability included.
 */
export class LiveCatalog implements SourceCatalog {
  readonly database: string
  readonly tables: Map<string, TableFacts>
  readonly types: Map<number, UserType>
  readonly #client: pg.Client

  constructor(client: pg.Client, catalog: SourceCatalog) {
    this.#client = client
    this.database = catalog.database
    this.tables = new Map(catalog.tables)
    this.types = new Map(catalog.types)
  }

  /** Of a table, `schema.table`, and of all types. */
  async refresh(table: string): Promise<void> {
    const { tables, types } = await readCatalog(this.#client, [table])
    for (const [name, facts] of tables) this.tables.set(name, facts)
    for (const [oid, type] of types) this.types.set(oid, type)
  }
}
