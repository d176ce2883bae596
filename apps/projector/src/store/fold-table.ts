import {
  type FoldProjection,
  type Row,
  type RowChanges,
  type RowKey,
  type Table,
  mayBeSpelledTwice,
} from '@fairlead/projection'
import { type Kysely, type RawBuilder, type Transaction, sql } from 'kysely'
import { arrayParameter } from './array-parameter.ts'
import { columnType } from './column-type.ts'
import { columnArrays } from './columns.ts'

/** One table of a version, as rows go in and out of it: whole, and many at a time. */
export class FoldTable {
  readonly #table: Table
  /** `schema.table`, of names that need no quotes. */
  readonly qualifiedName: string
  readonly #name: RawBuilder<unknown>
  readonly #keyType: string
  readonly #columns: readonly string[]

  constructor(projection: FoldProjection, schemaName: string) {
    this.#table = projection.table
    this.qualifiedName = `${schemaName}.${projection.table.name}`
    this.#name = sql.table(this.qualifiedName)
    this.#columns = Object.keys(projection.table.columns)
    this.#keyType = columnType(this.#table, this.#table.keyColumn)
  }

  /**
   * The rows of `keys`, by the key that was asked for. It may not be spelled as the row's own: a uuid
   * comes back in lower case. They are therefore matched by position, not by value.
   *
   * `offset 0` keeps the planner from making a join of it: of a table of some hundred thousand rows it
   * would read all to hash them, with each batch.
   */
  async load(trx: Kysely<unknown>, keys: readonly RowKey[]): Promise<Map<RowKey, Row>> {
    if (keys.length === 0) return new Map()
    const { keyColumn } = this.#table
    const selected = this.#columns.map((column) => sql.ref(`t.${column}`))
    const keyType = sql.raw(this.#keyType)
    const { rows } = await sql<Record<string, unknown> & { fold_position: number }>`
      select ${sql.join(selected)}, k.fold_position::integer as fold_position
      from unnest(${arrayParameter(keys, this.#keyType)}::${keyType}[]) with ordinality as k(key, fold_position)
      cross join lateral (select * from ${this.#name} where ${sql.ref(keyColumn)} = k.key offset 0) t`.execute(
      trx,
    )
    return new Map(
      rows.map((found) => [keys[found.fold_position - 1] as RowKey, this.#rowOf(found)]),
    )
  }

  /**
   * Whether two of the keys, all of which differ, are one to the database. Rows that were folded under both would
   * each lack what the other one has.
   */
  async areSpelledTwice(trx: Kysely<unknown>, keys: readonly RowKey[]): Promise<boolean> {
    if (!mayBeSpelledTwice(this.#table, keys)) return false
    const { rows } = await sql<{ count: number }>`
      select count(distinct key)::int as count
      from unnest(${arrayParameter(keys, this.#keyType)}::${sql.raw(this.#keyType)}[]) as asked (key)`.execute(
      trx,
    )
    return (rows[0]?.count ?? 0) < keys.length
  }

  /** Without the position; column by column, which is several times as quick as to take it out. */
  #rowOf(found: Readonly<Record<string, unknown>>): Row {
    const row: Record<string, unknown> = {}
    for (const column of this.#columns) row[column] = found[column]
    return row
  }

  keyOf(row: Row): RowKey {
    return row[this.#table.keyColumn] as RowKey
  }

  /** One parameter per column, whatever the number of rows. */
  async write(trx: Transaction<unknown>, changes: RowChanges): Promise<void> {
    await this.delete(trx, changes.deletes)
    if (changes.upserts.length === 0) return
    await this.#upsert(trx, sql`unnest(${columnArrays(this.#table, changes.upserts)})`)
  }

  async delete(trx: Transaction<unknown>, keys: readonly RowKey[]): Promise<void> {
    if (keys.length === 0) return
    await sql`delete from ${this.#name} where ${sql.ref(this.#table.keyColumn)}
      = any(${arrayParameter(keys, this.#keyType)}::${sql.raw(this.#keyType)}[])`.execute(trx)
  }

  /** Writes the rows of another table with the same columns. */
  async mergeFrom(trx: Transaction<unknown>, stage: RawBuilder<unknown>): Promise<void> {
    await this.#upsert(trx, stage)
  }

  async #upsert(trx: Transaction<unknown>, rows: RawBuilder<unknown>): Promise<void> {
    const { keyColumn } = this.#table
    const names = this.#columns
    const updates = names
      .filter((column) => column !== keyColumn)
      .map((column) => sql`${sql.ref(column)} = excluded.${sql.ref(column)}`)
    const onConflict =
      updates.length === 0 ? sql`do nothing` : sql`do update set ${sql.join(updates)}`
    await sql`insert into ${this.#name} (${sql.join(names.map((column) => sql.ref(column)))})
      select * from ${rows}
      on conflict (${sql.ref(keyColumn)}) ${onConflict}`.execute(trx)
  }
}
