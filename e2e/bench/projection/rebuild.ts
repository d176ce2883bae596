import { join } from 'node:path'
import { copyIn } from '@fairlead/postgres'
import type { FoldProjection } from '@fairlead/projection'
import type pg from 'pg'
import { RunningApp } from '../../support/running-app.ts'
import { type Shape, SHAPES, depositSet } from './accounts.ts'
import { type Deposits, deposits } from './deposits.ts'
import { encodeBatches, fold as foldRows, upsertBatches, valueText } from './raw-upsert.ts'
import {
  CATCH_UP_BATCH_EVENTS,
  PARTITIONS,
  type ProjectionStack,
  hashOf,
  withClient,
} from './stack.ts'
import { poll } from '../poll.ts'
import { type BenchRow, median } from '../report.ts'
import { type Usage, usageOf } from '../usage.ts'

const RATIO_MIN = 1
const POLL_MS = 5
const CHUNK_ROWS = 500

/**
 * Each shape of keys: a rebuild from the broker, with index and promotion, against the COPY of a row
 * per event into a table with a uuid as its key. A rebuild that folds writes less than it reads: the COPY of the
 * rows that are left in the end, into a table with their key, is the least that any rebuild takes.
 */
export async function* benchRebuild(
  stack: ProjectionStack,
  options: { readonly eventCount: number; readonly rounds: number },
): AsyncIterable<readonly BenchRow[]> {
  for (const shape of SHAPES) yield await benchShape(stack, shape, options)
}

async function benchShape(
  stack: ProjectionStack,
  shape: Shape,
  { eventCount, rounds }: { readonly eventCount: number; readonly rounds: number },
): Promise<readonly BenchRow[]> {
  const set = `rebuild_${shape}`
  const { fold } = depositSet(set)
  const logs = await stack.publish(set, (events) =>
    deposits(events, { shape, count: eventCount, partitions: PARTITIONS }),
  )
  const chunks = chunksOf(eventRows(logs))
  const finalChunks = chunksOf(finalRows(fold, logs))
  const copied: number[] = []
  const copiedFinal: number[] = []
  const rebuilt: number[] = []
  let usage: Usage | undefined
  for (let round = 0; round < rounds; round += 1) {
    const databaseUrl = await stack.createDatabase()
    await withClient(databaseUrl, async (client) => {
      copied.push(eventCount / (await copyEvents(client, chunks)))
      copiedFinal.push(eventCount / (await copyFinal(client, fold, finalChunks)))
      await makeLive(client, fold)
      const measured = await rebuild(stack, { databaseUrl, client, set })
      rebuilt.push(eventCount / measured.seconds)
      usage = measured.usage
    })
    await checkRows(databaseUrl, fold, logs)
  }
  const baseline = `${shape} keys: COPY of a row per event`
  return [
    { name: baseline, rate: median(copied), range: rangeOf(copied), unit: 'events/s' },
    {
      name: `${shape} keys: rebuild with index and promotion`,
      rate: median(rebuilt),
      range: rangeOf(rebuilt),
      unit: 'events/s',
      baseline,
      bar: { atLeast: RATIO_MIN },
      ...(usage === undefined ? {} : { usage }),
    },
    {
      name: `${shape} keys: COPY of the rows in the end, for the same events`,
      rate: median(copiedFinal),
      range: rangeOf(copiedFinal),
      unit: 'events/s',
      baseline,
    },
  ]
}

function rangeOf(rates: readonly number[]): readonly [number, number] {
  return [Math.min(...rates), Math.max(...rates)]
}

function* eventRows(logs: Deposits): Iterable<string> {
  for (const { data, key, at } of logs.flat()) {
    const { amount, branch } = data as { readonly amount: bigint; readonly branch: string }
    yield `${crypto.randomUUID()}\t${key}\t${amount}\t${branch}\t${at.toISOString()}\n`
  }
}

function* finalRows(projection: FoldProjection, logs: Deposits): Iterable<string> {
  const columns = Object.keys(projection.table.columns)
  for (const events of logs) {
    for (const row of foldRows(projection, events, new Map())) {
      yield `${columns.map((column) => valueText(row[column])).join('\t')}\n`
    }
  }
}

/** The text of COPY, encoded before the clock starts. */
function chunksOf(lines: Iterable<string>): readonly string[] {
  const chunks: string[] = []
  let rows: string[] = []
  for (const line of lines) {
    rows.push(line)
    if (rows.length < CHUNK_ROWS) continue
    chunks.push(rows.join(''))
    rows = []
  }
  return [...chunks, rows.join('')]
}

async function copyEvents(client: pg.Client, chunks: readonly string[]): Promise<number> {
  await client.query(`create table public.raw_event
    (id uuid primary key, account_id uuid, amount bigint, branch text, at timestamptz)`)
  return copySeconds(client, 'public.raw_event', chunks)
}

async function copyFinal(
  client: pg.Client,
  { table }: FoldProjection,
  chunks: readonly string[],
): Promise<number> {
  await client.query(
    `create table public.raw_final (${columnsOf(table)}, primary key (${table.keyColumn}))`,
  )
  return copySeconds(client, 'public.raw_final', chunks)
}

async function copySeconds(
  client: pg.Client,
  table: string,
  chunks: readonly string[],
): Promise<number> {
  const startedMs = performance.now()
  await copyIn(client, `copy ${table} from stdin`, chunks)
  return (performance.now() - startedMs) / 1_000
}

function columnsOf({ columns }: FoldProjection['table']): string {
  return Object.entries(columns)
    .map(([column, type]) => `${column} ${type.replace(' null', '')}`)
    .join()
}

/** An empty version 1, as if nothing had happened yet. */
async function makeLive(client: pg.Client, { name, table }: FoldProjection): Promise<void> {
  await client.query(`
    create schema rm_${name}_v1;
    create table rm_${name}_v1.${table.name} (${columnsOf(table)}, primary key (${table.keyColumn}));
    create view public.${table.name} as
      select ${Object.keys(table.columns).join()} from rm_${name}_v1.${table.name};
    insert into evt.projection (name, live_version) values ('${name}', 1);
    insert into evt.projection_version (projection_id, version, state, schema_name, code_hash, kind)
      select id, 1, 'live', 'rm_${name}_v1', '', 'fold' from evt.projection`)
}

/** From the order to the promotion; without the start of the process. */
async function rebuild(
  stack: ProjectionStack,
  of: { readonly databaseUrl: string; readonly client: pg.Client; readonly set: string },
): Promise<{ readonly seconds: number; readonly usage: Usage }> {
  const { databaseUrl, client, set } = of
  await using app = RunningApp.launch(
    'apps/projector/src/main.ts',
    {
      'database.url': databaseUrl,
      'bootstrap.servers': stack.broker.address,
      'schema.registry.url': stack.registry.url,
      'group.id': new URL(databaseUrl).pathname.slice(1),
      projections: join(import.meta.dirname, 'rebuild-accounts.ts'),
    },
    { BENCH_SET: set },
  )
  await poll('the version to be ready', POLL_MS, async () => {
    const { rowCount } = await client.query(
      "select from evt.projection_version where version = 2 and state = 'ready'",
    )
    return rowCount === 1 ? true : undefined
  })
  const response = await fetch(`${app.url}/projections/account/promote?version=2`, {
    method: 'POST',
  })
  if (!response.ok) throw new Error(await response.text())
  const { rows } = await client.query<{ seconds: number }>(
    `select extract(epoch from clock_timestamp() - requested_at)::float8 as seconds
     from evt.projection_job where kind = 'rebuild'`,
  )
  return { seconds: rows[0]?.seconds ?? Number.NaN, usage: usageOf(app.pid) }
}

async function checkRows(databaseUrl: string, fold: FoldProjection, logs: Deposits): Promise<void> {
  const table = 'public.expected'
  const batches = encodeBatches(fold, logs, CATCH_UP_BATCH_EVENTS)
  await upsertBatches(databaseUrl, fold, batches, { table, commit: 'alone' })
  await withClient(databaseUrl, async (client) => {
    const hashes = [await hashOf(client, table), await hashOf(client, 'public.account')]
    if (hashes[0] !== hashes[1]) throw new Error('the rebuilt rows differ')
  })
}
