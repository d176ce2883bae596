import type { AnyEvent, CommutativeProjection, FoldProjection } from './definition.ts'
import { remove } from './definition.ts'
import { hasTextKeys } from './event-key.ts'
import type { BatchLedger } from './batch-ledger.ts'
import { frozenRow } from './frozen-row.ts'
import { isGivenPromise } from './given-promise.ts'
import { enrichedFor } from './looked-up.ts'
import { type PreparedRecord, placeKey } from './log-record.ts'
import type { Row, RowKey } from './table.ts'

/** What a folded batch changes. No key is in both lists, and none twice. */
export type RowChanges = {
  readonly upserts: readonly Row[]
  readonly deletes: readonly RowKey[]
}

/**
 * Keys of the rows that the records may change: those to load before `foldBatch`. Of a record that is not
 * decoded yet, the key of its event counts, whether or not it can be decoded.
 */
export function rowKeysOf(
  projection: FoldProjection,
  records: readonly PreparedRecord[],
  ledger: BatchLedger,
): readonly RowKey[] {
  const keys = new Set<RowKey>()
  const isEventKey = !projection.mayShareRows && hasTextKeys(projection.table)
  for (const prepared of records) {
    if (ledger.isParked(prepared.key)) continue
    const rowKey = (isEventKey ? prepared.eventKey : undefined) ?? tryRowKey(projection, prepared)
    if (rowKey !== undefined) keys.add(rowKey)
  }
  return [...keys]
}

/**
 * Folds events into their rows, in log order. `rows` holds the loaded rows by the key they were asked
 * for; a key without row is new. A handler that throws leaves its row as the event before left it,
 * so that no other event runs twice to find out who failed.
 */
export function foldBatch(projection: FoldProjection, batch: FoldInput): RowChanges {
  return changesOf(foldInto(projection, { ...batch, changed: new Map() }), batch.rows)
}

type FoldInput = {
  readonly records: readonly PreparedRecord[]
  readonly rows: ReadonlyMap<RowKey, Row>
  readonly ledger: BatchLedger
  /** What the projection's `enrich` returned for the batch. */
  readonly enriched?: unknown
}

/** Rows as folding left them, by key; undefined where the row is deleted. */
export type ChangedRows = Map<RowKey, Row | undefined>

/** As {@link foldBatch}, for many batches: `changed`, which it returns, is where they go on, and what they change. */
export function foldInto(
  projection: FoldProjection,
  batch: FoldInput & { readonly changed: ChangedRows },
): ChangedRows {
  const { records, rows, changed, ledger, enriched } = batch
  for (const prepared of records) {
    const event = ledger.open(prepared)
    if (event === null) continue
    try {
      const rowKey = rowKeyOf(projection, event)
      const before = changed.get(rowKey)
      const isKnown = before !== undefined || changed.has(rowKey)
      const row = isKnown ? before : rows.get(rowKey)
      changed.set(rowKey, foldEvent(projection, { rowKey, row, event, enriched }))
      ledger.applied()
    } catch (error) {
      ledger.failed(prepared, error, 'handle')
    }
  }
  return changed
}

/** The changes of one event on its own. */
export function foldOne(
  projection: FoldProjection,
  one: {
    readonly event: AnyEvent
    readonly rows: ReadonlyMap<RowKey, Row>
    readonly enriched?: unknown
  },
): RowChanges {
  const { event, rows, enriched } = one
  const rowKey = rowKeyOf(projection, event)
  const next = foldEvent(projection, { rowKey, row: rows.get(rowKey), event, enriched })
  return changesOf(new Map([[rowKey, next]]), rows)
}

/** The row after the event; undefined when it is deleted. */
export function foldEvent(
  projection: FoldProjection,
  input: {
    readonly rowKey: RowKey
    readonly row: Row | undefined
    readonly event: AnyEvent
    readonly enriched: unknown
  },
): Row | undefined {
  const { rowKey, event, enriched } = input
  const row = frozenRow(projection.table, input.row ?? initialRow(projection, rowKey))
  const handler = projection.on[event.type]
  if (handler === undefined) return input.row
  const next = handler(row, event, enrichedFor(projection, enriched, event))
  if (next === remove) return undefined
  if (typeof next !== 'object' || next === null) {
    throw new TypeError(
      `the handler of ${event.type} returned ${next === null ? 'null' : typeof next}: it returns a row of ${projection.table.name}, or remove`,
    )
  }
  checkRow(projection, row, next)
  return next
}

/** Whose key is another one would be the row of that key's events, too, and each would lose what the other's did. */
function initialRow(projection: FoldProjection, rowKey: RowKey): Row {
  const { table } = projection
  const row: Row | null | undefined = projection.initial(rowKey)
  if (typeof row !== 'object' || row === null) {
    throw new TypeError(`initial made no row of ${table.name}, but ${String(row)}`)
  }
  if (Object.is(row[table.keyColumn], rowKey)) return row
  throw new TypeError(
    `initial made a row of ${table.name} with another ${table.keyColumn} than it was given, or none: ({ ${table.keyColumn}, … }) takes it from there`,
  )
}

/** Types let extra properties and foreign keys pass; a write would fail later, and blame nobody. */
function checkRow(projection: FoldProjection, before: Row, after: Row): void {
  const { columns, keyColumn, name } = projection.table
  let columnCount = 0
  for (const column in columns) {
    if (after[column] === undefined) throw new TypeError(lackOf(projection, after, column))
    columnCount += 1
  }
  let valueCount = 0
  for (const _column in after) valueCount += 1
  // All columns are there: it is exactly these, or more.
  if (valueCount !== columnCount)
    throw new TypeError(`${name} has no column "${foreignIn(projection, after)}"`)
  if (after[keyColumn] !== before[keyColumn]) {
    throw new TypeError(`a handler changed the key ${keyColumn} of a row of ${name}`)
  }
}

function lackOf({ table: { name } }: FoldProjection, row: unknown, column: string): string {
  return isGivenPromise(row)
    ? `a handler of ${name} returned a promise: a fold waits for nothing, and gets what is looked up from enrich`
    : `the row of ${name} lacks ${column}`
}

function foreignIn({ table: { columns } }: FoldProjection, row: Row): string | undefined {
  for (const column in row) if (!Object.hasOwn(columns, column)) return column
  return undefined
}

/** What is to be written for `changed`, given the rows that were loaded. */
export function changesOf(
  changed: ReadonlyMap<RowKey, Row | undefined>,
  loaded: ReadonlyMap<RowKey, Row>,
): RowChanges {
  const upserts: Row[] = []
  const deletes: RowKey[] = []
  // In key order: two transactions that write the same rows then wait for each other in one order.
  for (const key of sortedKeys([...changed.keys()])) {
    const row = changed.get(key)
    if (row === undefined) {
      if (loaded.has(key)) deletes.push(key)
    } else if (row !== loaded.get(key)) {
      upserts.push(row)
    }
  }
  return { upserts, deletes }
}

/** @throws {TypeError} when the projection's `key` returns what cannot be a key, or the record has none. */
export function rowKeyOf(
  projection: FoldProjection | CommutativeProjection,
  event: AnyEvent,
): RowKey {
  const key: unknown = projection.rowKey(event)
  if (isStandIn(key, event)) {
    throw new TypeError(
      `the record has no key that is a text, so ${projection.table.name} has no row for it: give the projection a key`,
    )
  }
  if (typeof key === 'string' || typeof key === 'number' || typeof key === 'bigint') return key
  const given = isGivenPromise(key) ? 'promise' : typeof key
  throw new TypeError(`the row key of ${projection.name} is a ${given}`)
}

/** What a record without a key is set aside under is a key of no row. */
function isStandIn(key: unknown, event: AnyEvent): boolean {
  return key === event.key && event.key.includes(':') && key === placeKey(event.source)
}

function tryRowKey(projection: FoldProjection, prepared: PreparedRecord): RowKey | undefined {
  const { content } = prepared
  if (content.kind !== 'event') return undefined
  try {
    return rowKeyOf(projection, content.event)
  } catch {
    // It throws again when the event is folded, and is blamed there.
    return undefined
  }
}

/** In the order in which rows are written; changes the array. */
export function sortedKeys(keys: RowKey[]): readonly RowKey[] {
  // In the order of their UTF-16 units, as `<` has it, and in a third of the time.
  if (keys.every((key) => typeof key === 'string')) return keys.sort()
  return keys.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}
