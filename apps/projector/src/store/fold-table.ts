import type { FoldProjection, Row, RowChanges, RowKey, Table } from '@fairlead/projection'
import { type Kysely, type RawBuilder, type Transaction, sql } from 'kysely'
import { arrayText } from './array-text.ts'
import { columnArrays, columnType } from './columns.ts'

/** One table of a version, as rows go in and out of it: whole, and many at a time. */
export class FoldTable {
  readonly #table: Table
  /** `schema.table`, of names that need no quotes. */
  readonly qualifiedName: string
  readonly #name: RawBuilder<unknown>
  readonly #keyType: string

  constructor(projection: FoldProjection, schemaName: string) {
    this.#table = projection.table
    this.qualifiedName = `${schemaName}.${projection.table.name}`
    this.#name = sql.table(this.qualifiedName)
    this.#keyType = columnType(this.#table, this.#table.keyColumn)
  }

  /**
   * The rows of `keys`, by the key that was asked for. It may not be spelled as the row's own: a uuid
   * comes back in lower case. They are therefore matched by position, not by value.
   */
  async load(trx: Kysely<unknown>, keys: readonly RowKey[]): Promise<Map<RowKey, Row>> {
    if (keys.length === 0) return new Map()
    const { keyColumn, columns } = this.#table
    const selected = Object.keys(columns).map((column) => sql.ref(`t.${column}`))
    const { rows } = await sql<Record<string, unknown> & { fold_position: bigint }>`
      select ${sql.join(selected)}, k.fold_position
      from unnest(${arrayText(keys)}::${sql.raw(this.#keyType)}[]) with ordinality as k(key, fold_position)
      join ${this.#name} t on t.${sql.ref(keyColumn)} = k.key`.execute(trx)
    return new Map(
      rows.map(({ fold_position, ...row }) => [keys[Number(fold_position) - 1] as RowKey, row]),
    )
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
      = any(${arrayText(keys)}::${sql.raw(this.#keyType)}[])`.execute(trx)
  }

  /** Writes the rows of another table with the same columns. */
  async mergeFrom(trx: Transaction<unknown>, stage: RawBuilder<unknown>): Promise<void> {
    await this.#upsert(trx, stage)
  }

  async #upsert(trx: Transaction<unknown>, rows: RawBuilder<unknown>): Promise<void> {
    const { keyColumn, columns } = this.#table
    const names = Object.keys(columns)
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
