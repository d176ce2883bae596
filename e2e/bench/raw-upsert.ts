import type { AnyEvent, FoldProjection, Row } from '@fairlead/projection'
import pg from 'pg'

/** The rows that one batch of events changes: one array in Postgres' text form per column. */
export type EncodedBatch = readonly string[]

/** Folds each partition in batches of `batchEvents`; the batches of one partition are in order. */
export function encodeBatches(
  projection: FoldProjection,
  partitions: readonly (readonly AnyEvent[])[],
  batchEvents: number,
): readonly (readonly EncodedBatch[])[] {
  return partitions.map((events) => {
    const rows = new Map<string, Row>()
    const batches: EncodedBatch[] = []
    for (let first = 0; first < events.length; first += batchEvents) {
      const changed = fold(projection, events.slice(first, first + batchEvents), rows)
      batches.push(
        Object.keys(projection.table.columns).map((column) => arrayText(changed, column)),
      )
    }
    return batches
  })
}

/** Seconds that it takes to write the batches, a connection and a statement at a time for each partition. */
export async function upsertBatches(
  databaseUrl: string,
  projection: FoldProjection,
  partitions: readonly (readonly EncodedBatch[])[],
): Promise<number> {
  const clients = partitions.map(() => new pg.Client({ connectionString: databaseUrl }))
  await Promise.all(clients.map((client) => client.connect()))
  await clients[0]?.query(createTable(projection))
  const text = upsert(projection)
  const startedMs = performance.now()
  await Promise.all(
    partitions.map(async (batches, index) => {
      for (const values of batches)
        await clients[index]?.query({ name: 'upsert', text, values: [...values] })
    }),
  )
  const seconds = (performance.now() - startedMs) / 1_000
  await Promise.all(clients.map((client) => client.end()))
  return seconds
}

function fold(
  projection: FoldProjection,
  events: readonly AnyEvent[],
  rows: Map<string, Row>,
): readonly Row[] {
  const keys = new Set<string>()
  for (const event of events) {
    const next = projection.on[event.type]?.(
      rows.get(event.key) ?? projection.initial(event.key),
      event,
    )
    if (typeof next !== 'object') throw new TypeError(`${event.type} is not handled, or deletes`)
    rows.set(event.key, next)
    keys.add(event.key)
  }
  return [...keys].sort().map((key) => rows.get(key) ?? {})
}

/** Of values that need no quotes. */
function arrayText(rows: readonly Row[], column: string): string {
  return `{${rows.map((row) => elementText(row[column])).join()}}`
}

function elementText(value: unknown): string {
  if (value === null) return 'NULL'
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') {
    return String(value)
  }
  throw new TypeError(`a ${typeof value} has no text form here`)
}

const TABLE = 'public.raw_upsert'

function createTable({ table }: FoldProjection): string {
  const columns = Object.entries(table.columns).map(([name, type]) => `${name} ${type}`)
  return `create table ${TABLE} (${columns.join()}, primary key (${table.keyColumn}))`
}

function upsert({ table }: FoldProjection): string {
  const names = Object.keys(table.columns)
  const arrays = Object.values(table.columns).map(
    (type, index) => `$${index + 1}::${type.replace(' null', '')}[]`,
  )
  const updates = names
    .filter((name) => name !== table.keyColumn)
    .map((name) => `${name} = excluded.${name}`)
  return `insert into ${TABLE} (${names.join()}) select * from unnest(${arrays.join()})
    on conflict (${table.keyColumn}) do update set ${updates.join()}`
}
