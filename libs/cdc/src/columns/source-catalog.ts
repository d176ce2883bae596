/**
 * What the log does not tell of tables and types, read from the system catalogs when a session
 * begins, and for a table again whenever the log announces its definition. A table or column that is
 * not in it counts as nullable and without a default.
 */
export type SourceCatalog = {
  readonly database: string
  /** By `schema.table`. */
  readonly tables: ReadonlyMap<string, TableFacts>
  /** By the object id of the type. */
  readonly types: ReadonlyMap<number, UserType>
}

export type TableFacts = {
  /** By name. */
  readonly columns: ReadonlyMap<string, ColumnFacts>
  /** Names of the columns of the primary key, in its order; empty without one. */
  readonly primaryKey: readonly string[]
}

export type ColumnFacts = {
  readonly isNotNull: boolean
  /** `pg_get_expr` of its default. */
  readonly defaultExpression: string | null
}

/** A type that is not built in. */
export type UserType =
  | { readonly kind: 'enum'; readonly labels: readonly string[] }
  | { readonly kind: 'domain'; readonly baseOid: number; readonly baseModifier: number }
  | { readonly kind: 'array'; readonly elementOid: number }
  /** Of an extension, such as `citext`. */
  | { readonly kind: 'other'; readonly name: string }

export const EMPTY_CATALOG: SourceCatalog = { database: '', tables: new Map(), types: new Map() }
