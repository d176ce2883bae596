import { type RowKey, type Table, classifyFailure, isEventFault } from '@fairlead/projection'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import { arrayText } from '../store/array-text.ts'
import { columnType } from '../store/column-type.ts'

/** As Postgres writes one. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * Keys of rows as text in one spelling: two keys have the same text exactly when they are one to the
 * database. Events and people spell them as they like (a uuid in capitals, `2026-1-31`, `1.50`).
 */
export class KeyTexts {
  readonly #db: Kysely<unknown>
  readonly #type: string

  /** `db` is not in a transaction: a key that the column cannot hold is found out by an error. */
  constructor(db: Kysely<unknown>, table: Table) {
    this.#db = db
    this.#type = columnType(table, table.keyColumn)
  }

  /** By key; without the keys that the column cannot hold. */
  async of(keys: Iterable<RowKey>): Promise<ReadonlyMap<RowKey, string>> {
    const texts = new Map<RowKey, string>()
    const open: RowKey[] = []
    for (const key of new Set(keys)) {
      if (hasOneSpelling(key, this.#type)) texts.set(key, String(key))
      else open.push(key)
    }
    await this.#ask(open, texts)
    return texts
  }

  /** The same text of a key in the database. */
  sqlOf(key: RawBuilder<unknown>): RawBuilder<string> {
    switch (this.#type) {
      case 'numeric':
        return sql`trim_scale(${key})::text`
      case 'double precision':
        // There is a zero below zero, which equals zero.
        return sql`(${key} + 0)::text`
      default:
        return sql`${key}::text`
    }
  }

  /** Texts as keys again. */
  arrayOf(texts: readonly string[]): RawBuilder<unknown> {
    return sql`${arrayText(texts)}::${sql.raw(this.#type)}[]`
  }

  async #ask(keys: readonly RowKey[], texts: Map<RowKey, string>): Promise<void> {
    if (keys.length === 0) return
    try {
      const { rows } = await sql<{ position: bigint; text: string }>`
        select position, ${this.sqlOf(sql`key`)} as text
        from unnest(${arrayText(keys)}::${sql.raw(this.#type)}[]) with ordinality as asked (key, position)`.execute(
        this.#db,
      )
      for (const { position, text } of rows) texts.set(keys[Number(position) - 1] as RowKey, text)
    } catch (error) {
      if (!isEventFault(classifyFailure(error, 'database'))) throw error
      if (keys.length === 1) return
      const half = keys.length >> 1
      await this.#ask(keys.slice(0, half), texts)
      await this.#ask(keys.slice(half), texts)
    }
  }
}

function hasOneSpelling(key: RowKey, type: string): boolean {
  switch (type) {
    case 'text':
      return true
    case 'uuid':
      return typeof key === 'string' && UUID.test(key)
    case 'smallint':
    case 'integer':
    case 'bigint':
      return typeof key === 'bigint' || Number.isSafeInteger(key)
    default:
      return false
  }
}
