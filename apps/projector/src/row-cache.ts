import type { ChangedRows, Row, RowKey, Table } from '@fairlead/projection'
import { estimatedBytes, isTwoByte } from './rebuild/row-size.ts'
import { type BatchUse, RowReuse } from './row-reuse.ts'
import { columnType } from './store/column-type.ts'
import { readsBack } from './store/read-back.ts'

/** What V8 and a map need for a row besides its values. */
const ROW_OVERHEAD_BYTES = 200
/** From this length on, V8 makes what is cut from a text a view of that text, and keeps all of it. */
const VIEW_LENGTH_MIN = 13

/** A row as the last batch that changed it has written it. */
export type CachedRow = {
  readonly row: Row
  /** `pg_current_xact_id()` of that batch: what `xmin` of the row is until somebody writes it again. */
  readonly writtenBy: number
}

type Entry = CachedRow & { readonly bytes: number }

/** Whom a cache tells what becomes of it. */
export interface RowCacheObserver {
  /** Rows of a batch that has committed; `isOff`: they were not looked for, as keeping rows does not pay. */
  used(use: BatchUse & { readonly isOff: boolean }): void
  /** A batch is done again, since a row was not as the cache had it. */
  stale(): void
}

/** What the caches of a process hold, and the bound on all of it. */
export class RowCaches {
  readonly #bytesMax: number
  /** The one that was written to last is the last. */
  readonly #caches = new Set<RowCache>()

  constructor(options: { readonly bytesMax: number }) {
    this.#bytesMax = options.bytesMax
  }

  /** About what they hold. */
  get bytes(): number {
    let bytes = 0
    for (const cache of this.#caches) bytes += cache.bytes
    return bytes
  }

  /** For the rows of one partition; undefined where there is to be none, or the table has columns that read otherwise. */
  open(table: Table, observer: RowCacheObserver): RowCache | undefined {
    const columns = cacheableColumns(table)
    if (this.#bytesMax === 0 || columns === undefined) return undefined
    const cache: RowCache = new RowCache(columns, {
      observer,
      grew: () => this.#makeRoom(cache),
      emptied: () => this.#caches.delete(cache),
    })
    return cache
  }

  /** At the cost of those that were not written to for the longest time. */
  #makeRoom(cache: RowCache): void {
    this.#caches.delete(cache)
    this.#caches.add(cache)
    let excessBytes = this.bytes - this.#bytesMax
    for (const oldest of this.#caches) {
      if (excessBytes <= 0) return
      excessBytes -= oldest.shrink(excessBytes)
    }
  }
}

type Column = { readonly name: string; readonly readsBack: (value: unknown) => boolean }

/** Undefined where a row cannot be told from what is read of it. */
function cacheableColumns(table: Table): readonly Column[] | undefined {
  const columns: Column[] = []
  for (const name of Object.keys(table.columns)) {
    const ofType = readsBack(columnType(table, name))
    if (ofType === undefined) return undefined
    columns.push({ name, readsBack: ofType })
  }
  // Of rows that are nothing but keys, there is nothing to update.
  return columns.length > 1 ? columns : undefined
}

/**
 * Rows that recent batches of a partition have written, so that those which come again need not be read.
 * What is in it is a guess: whoever uses a row has the database tell, in the same transaction, that
 * it is still as that batch left it. See `BatchRows`.
 */
export class RowCache {
  readonly observer: RowCacheObserver
  readonly #columns: readonly Column[]
  readonly #grew: () => void
  readonly #emptied: () => void
  /** The one that was written last is the last. */
  readonly #entries = new Map<RowKey, Entry>()
  readonly #reuse = new RowReuse()
  #bytes = 0
  #used: BatchUse | undefined
  #staged: { readonly changed: ChangedRows; readonly writtenBy: number } | undefined

  constructor(
    columns: readonly Column[],
    options: {
      readonly observer: RowCacheObserver
      readonly grew: () => void
      readonly emptied: () => void
    },
  ) {
    this.#columns = columns
    this.observer = options.observer
    this.#grew = options.grew
    this.#emptied = options.emptied
  }

  get bytes(): number {
    return this.#bytes
  }

  /** False while the rows of this partition are such that keeping them does not pay: then there are none. */
  get isKeeping(): boolean {
    return this.#reuse.isKeeping
  }

  get(key: RowKey): CachedRow | undefined {
    return this.#entries.get(key)
  }

  /** The rows that a transaction had to do with, in the case that it commits. */
  use(used: BatchUse): void {
    this.#used = used
  }

  /** What a transaction has written, in the case that it commits. */
  stage(changed: ChangedRows, writtenBy: number): void {
    this.#staged = { changed, writtenBy }
  }

  /** The transaction has committed. */
  committed(): void {
    this.#keep()
    if (this.#used === undefined) return
    const wasKeeping = this.#reuse.isKeeping
    this.observer.used({ ...this.#used, isOff: !wasKeeping })
    this.#reuse.committed(this.#used)
    this.#used = undefined
    if (wasKeeping && !this.#reuse.isKeeping) this.clear()
  }

  #keep(): void {
    if (this.#staged === undefined) return
    const { changed, writtenBy } = this.#staged
    this.#staged = undefined
    for (const [key, row] of changed) {
      const before = this.#entries.get(key)?.row
      this.#delete(key)
      if (row === undefined || !this.#readsBack(row)) continue
      this.#add(key, this.#withOwnTexts(row, { key, before }), writtenBy)
    }
    this.#grew()
  }

  /** Forgets so many bytes of the rows that were not written for the longest time; answers how many it were. */
  shrink(bytes: number): number {
    const before = this.#bytes
    for (const key of this.#entries.keys()) {
      if (before - this.#bytes >= bytes) break
      this.#delete(key)
    }
    return before - this.#bytes
  }

  clear(): void {
    this.#staged = undefined
    this.#used = undefined
    this.#entries.clear()
    this.#bytes = 0
    this.#emptied()
  }

  #add(key: RowKey, row: Row, writtenBy: number): void {
    const bytes = estimatedBytes(row) + ROW_OVERHEAD_BYTES
    this.#entries.set(key, { row, writtenBy, bytes })
    this.#bytes += bytes
  }

  /** A text that a handler has cut from its event would keep all of the event's, which the bound does not count. */
  #withOwnTexts(
    row: Row,
    { key, before }: { readonly key: RowKey; readonly before: Row | undefined },
  ): Row {
    let own: Record<string, unknown> | undefined
    for (const { name } of this.#columns) {
      const value = row[name]
      if (typeof value !== 'string' || value.length < VIEW_LENGTH_MIN) continue
      own ??= { ...row }
      // Most texts stay as they are. Those that are equal are one text in memory, and none is copied twice.
      if (value === key) own[name] = key
      else if (value === before?.[name]) own[name] = before[name]
      else own[name] = copyOf(value)
    }
    return own ?? row
  }

  #delete(key: RowKey): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }

  #readsBack(row: Row): boolean {
    for (const { name, readsBack } of this.#columns) {
      const value = row[name]
      if (value !== null && !readsBack(value)) return false
    }
    return true
  }
}

function copyOf(text: string): string {
  const encoding = isTwoByte(text) ? 'utf16le' : 'latin1'
  return Buffer.from(text, encoding).toString(encoding)
}
