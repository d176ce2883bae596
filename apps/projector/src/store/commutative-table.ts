import type { CommutativeProjection, Operation, Row } from '@fairlead/projection'
import { type RawBuilder, type Transaction, sql } from 'kysely'
import { columnType } from './column-type.ts'
import { columnArrays } from './columns.ts'

/** The table of a commutative projection: rows are changed by what is added, and never read. */
export class CommutativeTable {
  readonly #projection: CommutativeProjection
  readonly #name: RawBuilder<unknown>

  constructor(projection: CommutativeProjection, schemaName: string) {
    this.#projection = projection
    this.#name = sql.table(`${schemaName}.${projection.table.name}`)
  }

  /** One change per row, in key order, so that two batches lock the rows they share in one order. */
  async add(trx: Transaction<unknown>, changes: readonly Row[]): Promise<void> {
    if (changes.length === 0) return
    const { table, operations } = this.#projection
    const names = Object.keys(table.columns).map((column) => sql.ref(column))
    const updates = Object.entries(operations).map(([column, operation]) => {
      const isText = columnType(table, column) === 'text'
      return sql`${sql.ref(column)} = ${combined(column, operation, isText)}`
    })
    const onConflict =
      updates.length === 0 ? sql`do nothing` : sql`do update set ${sql.join(updates)}`
    await sql`insert into ${this.#name} as held (${sql.join(names)})
      select * from unnest(${columnArrays(table, changes)})
      on conflict (${sql.ref(table.keyColumn)}) ${onConflict}`.execute(trx)
  }
}

/** `greatest` and `least` pass over nulls. Text is compared by code points, as in memory. */
function combined(column: string, operation: Operation, isText: boolean): RawBuilder<unknown> {
  const held = sql.ref(`held.${column}`)
  const added = sql.ref(`excluded.${column}`)
  if (operation === 'inc') return sql`coalesce(${held}, 0) + ${added}`
  const collation = isText ? sql` collate "C"` : sql``
  const choose = operation === 'max' ? sql`greatest` : sql`least`
  return sql`${choose}(${held}${collation}, ${added}${collation})`
}
