import pg from 'pg'
import { EVENT_OVERHEAD_BYTES } from '../sink/event-size.ts'
import { quotedTable } from '../source/source-options.ts'
import {
  CursorReader,
  type TableRow,
  type TableShape,
  selectRows,
  sizeOfRow,
} from '../table/table-reader.ts'

/** Rows of a table from after one key up to another, in the order of its primary key. */
export type Chunk = {
  readonly rows: ReadonlyMap<string, TableRow>
  /** Low 32 bits of the ids of the transactions that ran when it was read. */
  readonly runningXids: ReadonlySet<number>
  /** Key of the last row; undefined when there is none. */
  readonly lastKey: readonly string[] | undefined
  /** There is nothing behind it. */
  readonly isLast: boolean
}

export type ChunkRange = {
  /** Rows behind it; undefined begins with the first. */
  readonly afterKey: readonly string[] | undefined
  /** Up to and with it. */
  readonly maxKey: readonly string[]
  /** ISO 8601; rows of this time and later. */
  readonly since: string | undefined
  /** Rows before this time. */
  readonly until: string | undefined
  readonly timeColumn: string
  /** An SQL expression: rows that the publication has; null for all. */
  readonly rowFilter: string | null
  readonly rowsMax: number
  /** Of the memory that its events take, roughly; the last row may be beyond it. */
  readonly bytesMax: number
}

/** Rows that are read at a time. */
const FETCH_ROWS_MAX = 50

/** The text of the key of a row. */
function keyOf(shape: TableShape, row: TableRow): readonly string[] {
  return shape.keyIndexes.map((index) => Buffer.from(row[index] ?? []).toString())
}

/** The greatest key now: what comes later comes by the log. Undefined when the table is empty. */
export async function readMaxKey(
  client: pg.Client,
  table: string,
  shape: TableShape,
): Promise<readonly string[] | undefined> {
  const order = keyColumns(shape).map((name) => `${name} desc`)
  const [row] = await selectRows(
    client,
    `select ${shape.selectList} from ${quotedTable(table)} order by ${order.join(', ')} limit 1`,
    [],
  )
  return row === undefined ? undefined : keyOf(shape, row)
}

/** Ends early when the rows are large, so that memory is bounded by one of them. */
export async function readChunk(
  client: pg.Client,
  table: string,
  shape: TableShape,
  range: ChunkRange,
): Promise<Chunk> {
  await client.query('begin isolation level repeatable read read only')
  try {
    const runningXids = await readRunningXids(client)
    await client.query(declaration(table, shape, range))
    const rows = new Map<string, TableRow>()
    let sizeBytes = 0
    let lastKey: readonly string[] | undefined
    const cursor = new CursorReader(client, 'chunk')
    for (;;) {
      for (const row of await cursor.next(Math.min(FETCH_ROWS_MAX, range.rowsMax - rows.size))) {
        lastKey = keyOf(shape, row)
        rows.set(JSON.stringify(lastKey), row)
        sizeBytes += sizeOfRow(row) + EVENT_OVERHEAD_BYTES
      }
      const { isAtEnd: isLast } = cursor
      if (isLast || rows.size >= range.rowsMax || sizeBytes >= range.bytesMax) {
        return { rows, runningXids, lastKey, isLast }
      }
    }
  } finally {
    await client.query('rollback')
  }
}

/** Low 32 bits of the ids of transactions that have written and are not visible as committed. */
export async function readRunningXids(client: pg.Client): Promise<ReadonlySet<number>> {
  const { rows } = await client.query<{ xid: string }>(
    'select pg_snapshot_xip(pg_current_snapshot())::text as xid',
  )
  return new Set(rows.map(({ xid }) => Number(BigInt.asUintN(32, BigInt(xid)))))
}

function declaration(table: string, shape: TableShape, range: ChunkRange): string {
  const columns = keyColumns(shape).join(', ')
  const key = (values: readonly string[]) =>
    values.map((value) => pg.escapeLiteral(value)).join(', ')
  const time = pg.escapeIdentifier(range.timeColumn)
  const conditions = [
    `(${columns}) <= (${key(range.maxKey)})`,
    ...(range.afterKey === undefined ? [] : [`(${columns}) > (${key(range.afterKey)})`]),
    ...(range.since === undefined ? [] : [`${time} >= ${pg.escapeLiteral(range.since)}`]),
    ...(range.until === undefined ? [] : [`${time} < ${pg.escapeLiteral(range.until)}`]),
    ...(range.rowFilter === null ? [] : [`(${range.rowFilter})`]),
  ]
  return `declare chunk cursor for select ${shape.selectList} from ${quotedTable(table)}
    where ${conditions.join(' and ')} order by ${columns}`
}

function keyColumns(shape: TableShape): readonly string[] {
  return shape.keyIndexes.map((index) =>
    pg.escapeIdentifier(shape.relation.columns[index]?.name ?? ''),
  )
}
