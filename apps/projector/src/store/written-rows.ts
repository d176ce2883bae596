import type { Row, RowKey, Table } from '@fairlead/projection'
import { type RawBuilder, type Transaction, sql } from 'kysely'
import { arrayParameter } from './array-parameter.ts'
import { columnType } from './column-type.ts'
import { columnArrays } from './columns.ts'

/** A row that an earlier transaction of ours has written. */
type Written<T> = T & { readonly writtenBy: number }

/** What is to become of such rows. */
export type WrittenRows = {
  /** As they are to be. */
  readonly updates: readonly Written<{ readonly row: Row }>[]
  readonly deletes: readonly Written<{ readonly key: RowKey }>[]
  /** They stay as they are. */
  readonly kept: readonly Written<{ readonly key: RowKey }>[]
}

/** Transactions that are farther apart may have the same number in `xmin`. */
const TRANSACTION_AGE_MAX = 2 ** 31

/** Names of columns are in lower case: no column of a table has this one. */
const WRITER = sql.ref('Writer')

/**
 * Rows that transactions of ours have written, as long as nobody has written them since: then `xmin` is
 * still the number of that transaction. An update of such a row looks it up by its key, as the
 * `on conflict` of an insert does, and costs as much; `= any` keeps the planner from hashing one of both
 * for a join, which would read all of the table.
 */
export class WrittenRowsTable {
  readonly #table: Table
  readonly #qualifiedName: string
  readonly #keyType: string

  constructor(table: Table, qualifiedName: string) {
    this.#table = table
    this.#qualifiedName = qualifiedName
    this.#keyType = columnType(table, table.keyColumn)
  }

  /** False when one of the rows was written, or deleted, by anybody since. Then the transaction is to be given up. */
  async write(trx: Transaction<unknown>, rows: WrittenRows): Promise<boolean> {
    const { updates, deletes, kept } = rows
    return (
      (await this.#delete(trx, deletes)) &&
      (await this.#update(trx, updates)) &&
      (await this.#areThere(trx, kept))
    )
  }

  /**
   * The number of this transaction; null when the table has triggers or rules: then a row may be another than the
   * one that was written. Ask behind the write, whose lock keeps new ones out until the commit.
   */
  async transactionId(trx: Transaction<unknown>): Promise<number | null> {
    const { rows } = await sql<{ id: string; plain: boolean }>`
      select pg_current_xact_id()::text as id, not (relhastriggers or relhasrules) as plain
      from pg_class where oid = ${this.#qualifiedName}::regclass`.execute(trx)
    const [row] = rows
    return row?.plain === true ? Number(row.id) : null
  }

  async #update(trx: Transaction<unknown>, written: WrittenRows['updates']): Promise<boolean> {
    if (written.length === 0) return true
    const { keyColumn, columns } = this.#table
    const names = Object.keys(columns)
    const updates = names
      .filter((column) => column !== keyColumn)
      .map((column) => sql`${sql.ref(column)} = ${sql.ref(`n.${column}`)}`)
    const rows = written.map(({ row }) => row)
    const { numAffectedRows } = await sql`update ${this.#name} as t set ${sql.join(updates)}
      from unnest(${columnArrays(this.#table, rows)}, ${writersOf(written)})
        as n (${sql.join(names.map((column) => sql.ref(column)))}, ${WRITER})
      where ${this.#isAsWritten(`n.${keyColumn}`, written)}`.execute(trx)
    return numAffectedRows === BigInt(written.length)
  }

  async #delete(trx: Transaction<unknown>, written: WrittenRows['deletes']): Promise<boolean> {
    if (written.length === 0) return true
    const { numAffectedRows } = await sql`delete from ${this.#name} as t
      using ${this.#keysOf(written)}
      where ${this.#isAsWritten('n.fold_key', written)}`.execute(trx)
    return numAffectedRows === BigInt(written.length)
  }

  async #areThere(trx: Transaction<unknown>, written: WrittenRows['kept']): Promise<boolean> {
    if (written.length === 0) return true
    const { rows } = await sql<{ count: number }>`select count(*)::int as count
      from ${this.#name} as t, ${this.#keysOf(written)}
      where ${this.#isAsWritten('n.fold_key', written)}`.execute(trx)
    return rows[0]?.count === written.length
  }

  get #name(): RawBuilder<unknown> {
    return sql.table(this.#qualifiedName)
  }

  #keysOf(written: WrittenRows['kept']): RawBuilder<unknown> {
    const keys = arrayParameter(
      written.map(({ key }) => key),
      this.#keyType,
    )
    return sql`unnest(${keys}::${sql.raw(this.#keyType)}[], ${writersOf(written)})
      as n (fold_key, ${WRITER})`
  }

  #isAsWritten(key: string, written: readonly Written<unknown>[]): RawBuilder<unknown> {
    const oldest = written.reduce((least, { writtenBy }) => Math.min(least, writtenBy), Infinity)
    return sql`${sql.ref(`t.${this.#table.keyColumn}`)} = any(array[${sql.ref(key)}])
      and t.xmin = any(array[n.${WRITER}])
      and pg_current_xact_id()::text::bigint < ${oldest + TRANSACTION_AGE_MAX}::bigint`
  }
}

/** As `xmin` has them: 32 bits, without the epoch. */
function writersOf(written: readonly Written<unknown>[]): RawBuilder<unknown> {
  const numbers = written.map(({ writtenBy }) => writtenBy >>> 0)
  return sql`${arrayParameter(numbers, 'xid')}::xid[]`
}
