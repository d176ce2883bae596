import type { Signal, SignalProgress } from '../signals/signals.ts'

/** What an `execute-snapshot` asks for. */
export type SnapshotOrder = {
  /** `schema.table` */
  readonly tables: readonly string[]
  readonly since: string | undefined
  readonly until: string | undefined
}

/** How far a snapshot is: kept with its signal, so that any relay goes on with it. */
export type SnapshotState = {
  /** Of `tables`. */
  readonly tableIndex: number
  /** Of the table: what was published ends here; undefined before its first chunk. */
  readonly lastKey: readonly string[] | undefined
  /** Of the table: where it ends. */
  readonly maxKey: readonly string[] | undefined
  readonly rows: number
  readonly chunks: number
  readonly isPaused: boolean
}

const COLLECTIONS = 'data-collections'

/** The order of a signal, in Debezium's words; why it makes no sense. */
export function snapshotOrder(
  { data }: Signal,
  included: readonly string[],
): SnapshotOrder | string {
  const type = data['type'] ?? 'incremental'
  if (type !== 'incremental' && type !== 'INCREMENTAL') return 'type is incremental'
  const tables = data[COLLECTIONS] ?? included
  if (!isTexts(tables) || tables.length === 0) return `${COLLECTIONS} is a list of tables`
  const unknown = tables.filter((table) => !included.includes(table))
  if (unknown.length > 0) return `${unknown.join(', ')} is not in table.include.list`
  const since = timeOf(data['since'])
  const until = timeOf(data['until'])
  if (since === null || until === null) return 'since and until are times as 2026-01-31T12:00:00Z'
  return { tables, since, until }
}

export function stateOf(progress: SignalProgress): SnapshotState {
  return {
    tableIndex: Number(progress['tableIndex'] ?? 0),
    lastKey: keyOf(progress['lastKey']),
    maxKey: keyOf(progress['maxKey']),
    rows: Number(progress['rows'] ?? 0),
    chunks: Number(progress['chunks'] ?? 0),
    isPaused: progress['state'] === 'paused',
  }
}

export function progressOf(order: SnapshotOrder, state: SnapshotState): SignalProgress {
  const { tableIndex, lastKey, maxKey, rows, chunks, isPaused } = state
  return {
    state: isPaused ? 'paused' : 'running',
    tables: order.tables.length,
    tableIndex,
    table: order.tables[tableIndex] ?? '',
    rows,
    chunks,
    ...(lastKey === undefined ? {} : { lastKey: JSON.stringify(lastKey) }),
    ...(maxKey === undefined ? {} : { maxKey: JSON.stringify(maxKey) }),
  }
}

function keyOf(text: number | string | undefined): readonly string[] | undefined {
  return typeof text === 'string' ? (JSON.parse(text) as readonly string[]) : undefined
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function timeOf(value: unknown): string | undefined | null {
  if (value === undefined) return undefined
  const date = new Date(typeof value === 'string' ? value : Number.NaN)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}
