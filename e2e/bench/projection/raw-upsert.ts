import type { AnyEvent, FoldProjection, Row } from '@fairlead/projection'
import pg from 'pg'

/**
 * How the upsert of a batch commits: by itself, as the bare upsert does; in a transaction; or in one that moves a
 * checkpoint first, as who counts each event once does.
 */
export type Commit = 'alone' | 'transaction' | 'checkpoint'

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

/** The batches of all partitions in turns, for one connection to write. */
export function inTurns(
  partitions: readonly (readonly EncodedBatch[])[],
): readonly (readonly EncodedBatch[])[] {
  const longest = Math.max(...partitions.map((batches) => batches.length))
  const turns = Array.from({ length: longest }, (_, index) =>
    partitions.flatMap((batches) => batches.slice(index, index + 1)),
  )
  return [turns.flat()]
}

/**
 * Seconds that it takes to write the batches, a connection and a statement at a time for each partition. What was
 * written before is on the disk by then: nobody pays for the writes of another.
 */
export async function upsertBatches(
  databaseUrl: string,
  projection: FoldProjection,
  partitions: readonly (readonly EncodedBatch[])[],
  target: { readonly table: string; readonly commit: Commit },
): Promise<number> {
  const clients = partitions.map(() => new pg.Client({ connectionString: databaseUrl }))
  await Promise.all(clients.map((client) => client.connect()))
  await clients[0]?.query(createTable(projection, target.table))
  const text = upsert(projection, target.table)
  const write = WRITERS[target.commit]
  await clients[0]?.query(CHECKPOINTS)
  await clients[0]?.query('checkpoint')
  const startedMs = performance.now()
  await Promise.all(
    partitions.map(async (batches, index) => {
      const client = clients[index]
      if (client === undefined) return
      for (const [batch, values] of batches.entries()) {
        const statement = { name: 'upsert', text, values: [...values] }
        await write(client, statement, { partition: index, batch })
      }
    }),
  )
  const seconds = (performance.now() - startedMs) / 1_000
  await Promise.all(clients.map((client) => client.end()))
  return seconds
}

const CHECKPOINTS = `drop table if exists public.raw_checkpoint;
  create table public.raw_checkpoint
  (part int primary key, next_batch bigint not null, fence bigint not null) with (fillfactor = 30);
  insert into public.raw_checkpoint select part, 0, 1 from generate_series(0, 63) as part`

type Statement = { readonly name: string; readonly text: string; readonly values: string[] }
type Place = { readonly partition: number; readonly batch: number }

type Write = (client: pg.Client, statement: Statement, place: Place) => Promise<void>

const WRITERS: Readonly<Record<Commit, Write>> = {
  alone: async (client, statement) => void (await client.query(statement)),
  transaction: async (client, statement) => {
    await client.query('begin')
    await client.query(statement)
    await client.query('commit')
  },
  checkpoint: withCheckpoint,
}

async function withCheckpoint(
  client: pg.Client,
  statement: Statement,
  place: Place,
): Promise<void> {
  const { partition, batch } = place
  await client.query('begin')
  const moved = await client.query({
    name: 'checkpoint',
    text: `update public.raw_checkpoint set next_batch = $2
      where part = $1 and next_batch = $3 and fence = 1`,
    values: [partition, batch + 1, batch],
  })
  if (moved.rowCount !== 1) throw new Error('the checkpoint is elsewhere')
  await client.query(statement)
  await client.query('commit')
}

/** The rows that the events change, by key; `rows` has those of the events before. */
export function fold(
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
  return value === null ? 'NULL' : valueText(value)
}

/** As arrays and COPY take it. */
export function valueText(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') {
    return String(value)
  }
  throw new TypeError(`a ${typeof value} has no text form here`)
}

function createTable({ table }: FoldProjection, name: string): string {
  const columns = Object.entries(table.columns).map(([column, type]) => `${column} ${type}`)
  return `create table ${name} (${columns.join()}, primary key (${table.keyColumn}))`
}

function upsert({ table }: FoldProjection, target: string): string {
  const names = Object.keys(table.columns)
  const arrays = Object.values(table.columns).map(
    (type, index) => `$${index + 1}::${type.replace(' null', '')}[]`,
  )
  const updates = names
    .filter((name) => name !== table.keyColumn)
    .map((name) => `${name} = excluded.${name}`)
  return `insert into ${target} (${names.join()}) select * from unnest(${arrays.join()})
    on conflict (${table.keyColumn}) do update set ${updates.join()}`
}
