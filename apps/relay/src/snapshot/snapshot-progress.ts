import type { Signal, SignalProgress } from '../signals/signals.ts'

/** `initial`: the first one, or the one behind a slot that was made anew. */
export type SnapshotType = 'initial' | 'incremental'

/** What an `execute-snapshot` asks for. */
export type SnapshotOrder = {
  readonly type: SnapshotType
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
  /** Tables that cannot be read in chunks. */
  readonly keylessTables: readonly string[]
}

const COLLECTIONS = 'data-collections'
const TYPES: readonly SnapshotType[] = ['initial', 'incremental']

/** What is known of the tables that can be read. */
type KnownTables = {
  readonly names: readonly string[]
  isCaptured(table: string): boolean
}

/** The order of a signal, in Debezium's words; why it makes no sense. */
export function snapshotOrder(
  { data, progress }: Signal,
  known: KnownTables,
): SnapshotOrder | string {
  const type = typeOf(data['type'] ?? 'incremental')
  if (type === undefined) return 'type is incremental'
  // A snapshot goes on with the tables that it has begun with.
  const tables = textsOf(progress['collections']) ?? tablesOf(data[COLLECTIONS], known.names)
  if (typeof tables === 'string') return tables
  const since = timeOf(data['since'])
  const until = timeOf(data['until'])
  if (since === null || until === null) return 'since and until are times as 2026-01-31T12:00:00Z'
  const captured = tables.find((table) => known.isCaptured(table))
  if (captured !== undefined && (since ?? until) !== undefined) {
    return `${captured} is no outbox table: it has no time that since and until could mean`
  }
  return { type, tables, since, until }
}

function typeOf(value: unknown): SnapshotType | undefined {
  return TYPES.find((name) => typeof value === 'string' && name === value.toLowerCase())
}

/** Of names and regular expressions for whole names, as Debezium takes them. */
function tablesOf(value: unknown, names: readonly string[]): readonly string[] | string {
  const items = value ?? names
  if (!isTexts(items) || items.length === 0) return `${COLLECTIONS} is a list of tables`
  const found = items.map((item) => (names.includes(item) ? [item] : matching(item, names)))
  const unknown = items.filter((_, index) => found[index]?.length === 0)
  if (unknown.length === 0) return [...new Set(found.flat())]
  return `${unknown.join(', ')} is neither in table.include.list nor captured by capture.table.include.list`
}

function matching(pattern: string, names: readonly string[]): readonly string[] {
  try {
    const whole = new RegExp(`^(?:${pattern})$`)
    return names.filter((name) => whole.test(name))
  } catch {
    return []
  }
}

export function stateOf(progress: SignalProgress): SnapshotState {
  return {
    tableIndex: Number(progress['tableIndex'] ?? 0),
    lastKey: textsOf(progress['lastKey']),
    maxKey: textsOf(progress['maxKey']),
    rows: Number(progress['rows'] ?? 0),
    chunks: Number(progress['chunks'] ?? 0),
    isPaused: progress['state'] === 'paused',
    keylessTables: textsOf(progress['keylessTables']) ?? [],
  }
}

export function progressOf(order: SnapshotOrder, state: SnapshotState): SignalProgress {
  const { tableIndex, lastKey, maxKey, rows, chunks, isPaused, keylessTables } = state
  return {
    state: isPaused ? 'paused' : 'running',
    tables: order.tables.length,
    tableIndex,
    table: order.tables[tableIndex] ?? '',
    collections: JSON.stringify(order.tables),
    rows,
    chunks,
    ...(keylessTables.length === 0 ? {} : { keylessTables: JSON.stringify(keylessTables) }),
    ...(lastKey === undefined ? {} : { lastKey: JSON.stringify(lastKey) }),
    ...(maxKey === undefined ? {} : { maxKey: JSON.stringify(maxKey) }),
  }
}

function textsOf(text: number | string | undefined): readonly string[] | undefined {
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
