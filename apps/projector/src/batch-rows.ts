import { invariant } from '@fairlead/base'
import {
  type ChangedRows,
  type FoldProjection,
  type Row,
  type RowKey,
  changesOf,
  sortedKeys,
} from '@fairlead/projection'
import type { Transaction } from 'kysely'
import type { CachedRow, RowCache } from './row-cache.ts'
import { FoldTable } from './store/fold-table.ts'
import { type WrittenRows, WrittenRowsTable } from './store/written-rows.ts'

/** Rows of the cache are not, or may not be, what the table holds: the batch is to be done without it. */
export class StaleRowsError extends Error {
  override readonly name = 'StaleRowsError'
}

/**
 * The rows of one batch of a fold. Those that the cache has are not read; that they are what the table
 * holds, the database says when they are written, all of them, those that the batch leaves as they are
 * included. It does not matter who may have changed them meanwhile: another owner of the partition, a
 * replay of letters, a rebuild of keys, somebody by hand.
 */
export class BatchRows {
  readonly #table: FoldTable
  readonly #written: WrittenRowsTable
  readonly #cache: RowCache | undefined
  readonly #cached = new Map<RowKey, CachedRow>()
  #rows: ReadonlyMap<RowKey, Row> = new Map()

  constructor(
    projection: FoldProjection,
    options: { readonly schemaName: string; readonly cache: RowCache | undefined },
  ) {
    this.#table = new FoldTable(projection, options.schemaName)
    this.#written = new WrittenRowsTable(projection.table, this.#table.qualifiedName)
    this.#cache = options.cache
  }

  async load(trx: Transaction<unknown>, keys: readonly RowKey[]): Promise<void> {
    const missing = this.#cache?.isKeeping === true ? this.#look(this.#cache, keys) : keys
    const rows = await this.#table.load(trx, missing)
    for (const [key, { row }] of this.#cached) rows.set(key, row)
    this.#rows = rows
    this.#cache?.use({
      rowCount: keys.length,
      existingCount: rows.size,
      hitCount: this.#cached.size,
    })
  }

  /** Keys of the rows to be read: all of them when most are. Statements of its own for the rest would cost more. */
  #look(cache: RowCache, keys: readonly RowKey[]): readonly RowKey[] {
    const missing: RowKey[] = []
    for (const key of keys) {
      const cached = cache.get(key)
      if (cached === undefined) missing.push(key)
      else this.#cached.set(key, cached)
    }
    if (missing.length <= this.#cached.size) return missing
    this.#cached.clear()
    return keys
  }

  /**
   * Folds over the rows.
   *
   * @throws {StaleRowsError} when `fold` throws, and cached rows may have been the reason. What `fold` throws.
   */
  fold(fold: (rows: ReadonlyMap<RowKey, Row>) => ChangedRows): ChangedRows {
    try {
      return fold(this.#rows)
    } catch (error) {
      if (this.#cached.size === 0) throw error
      throw this.#stale(error)
    }
  }

  /** @throws {StaleRowsError} when a row is not as the cache had it. */
  async write(trx: Transaction<unknown>, changed: ChangedRows): Promise<void> {
    const { loaded, written } = this.#split(changed)
    await this.#table.write(trx, changesOf(loaded, this.#rows))
    if (this.#cached.size > 0 && !(await this.#written.write(trx, written))) throw this.#stale()
    if (this.#cache?.isKeeping !== true) return
    const rewritten = this.#rewritten(changed)
    if (rewritten.size === 0) return
    const transactionId = await this.#written.transactionId(trx)
    if (transactionId === null) this.#cache.clear()
    else this.#cache.stage(rewritten, transactionId)
  }

  /** Rows that were there before: new ones are kept once they have come again, as many never do. */
  #rewritten(changed: ChangedRows): ChangedRows {
    const rewritten: ChangedRows = new Map()
    for (const [key, row] of changed) {
      const before = this.#rows.get(key)
      if (before !== undefined && row !== before) rewritten.set(key, row)
    }
    return rewritten
  }

  /** By where the rows are from. */
  #split(changed: ChangedRows): { readonly loaded: ChangedRows; readonly written: WrittenRows } {
    const updates: WrittenRows['updates'][number][] = []
    const deletes: WrittenRows['deletes'][number][] = []
    const kept: WrittenRows['kept'][number][] = []
    const written = { updates, deletes, kept }
    if (this.#cached.size === 0) return { loaded: changed, written }
    const loaded: ChangedRows = new Map()
    for (const [key, row] of changed) if (!this.#cached.has(key)) loaded.set(key, row)
    // In key order, as all that writes these rows: two transactions then wait for each other in one order.
    for (const key of sortedKeys([...this.#cached.keys()])) {
      const { row: before, writtenBy } = this.#cachedRow(key)
      const row = changed.has(key) ? changed.get(key) : before
      if (row === undefined) deletes.push({ key, writtenBy })
      else if (row === before) kept.push({ key, writtenBy })
      else updates.push({ row, writtenBy })
    }
    return { loaded, written }
  }

  #cachedRow(key: RowKey): CachedRow {
    const cached = this.#cached.get(key)
    invariant(cached !== undefined, 'a key of a map is in it')
    return cached
  }

  #stale(cause?: unknown): StaleRowsError {
    this.#cache?.observer.stale()
    return new StaleRowsError('rows of the cache are not as the table has them', { cause })
  }
}
