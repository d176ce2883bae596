import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { copyIn, migrate, startEmbeddedPostgres } from '@fairlead/postgres'
import pg from 'pg'
import { freePort } from '../support/free-port.ts'
import { ROOT } from '../support/platform.ts'
import { type BenchRow, median } from './report.ts'
import { temporaryDirectory } from './services.ts'
import { usageOf } from './usage.ts'

/** Accounts that there are; each transaction changes some of them, drawn at random. */
const ACCOUNTS = 100_000
const BATCHES = [500, 2_000, 8_000, 20_000] as const
const ROWS_PER_RUN = 200_000

type Account = readonly [id: string, balance: number, branch: string, at: string]

type Way = {
  readonly name: string
  readonly write: (client: pg.Client, rows: readonly Account[]) => Promise<void>
}

const UPSERT = `on conflict (id) do update set balance = excluded.balance, branch = excluded.branch,
  at = excluded.at`

const columnsOf = (rows: readonly Account[]): string[] =>
  [0, 1, 2, 3].map((column) => `{${rows.map((row) => row[column]).join()}}`)

async function upsert(client: pg.Client, rows: readonly Account[]): Promise<void> {
  await client.query({
    name: 'upsert',
    text: `insert into account select * from unnest($1::uuid[], $2::bigint[], $3::text[],
      $4::timestamptz[]) ${UPSERT}`,
    values: columnsOf(rows),
  })
}

function* copyText(rows: readonly Account[]): Generator<string> {
  for (let from = 0; from < rows.length; from += 1_000) {
    yield rows
      .slice(from, from + 1_000)
      .map((row) => `${row.join('\t')}\n`)
      .join('')
  }
}

async function copyAndUpsert(client: pg.Client, rows: readonly Account[]): Promise<void> {
  await copyIn(client, 'copy stage from stdin', copyText(rows))
  await client.query({
    name: 'from-stage',
    text: `insert into account select * from stage ${UPSERT}`,
  })
}

async function copyAndMerge(client: pg.Client, rows: readonly Account[]): Promise<void> {
  await copyIn(client, 'copy stage from stdin', copyText(rows))
  await client.query({
    name: 'merge',
    text: `merge into account t using stage s on t.id = s.id
      when matched then update set balance = s.balance, branch = s.branch, at = s.at
      when not matched then insert values (s.id, s.balance, s.branch, s.at)`,
  })
}

/** The inbox has one partition per day; random ids have a table of their own. */
const withIds =
  (table: 'inbox' | 'inbox_untimed', idOf: () => string) =>
  async (client: pg.Client, rows: readonly Account[]): Promise<void> => {
    const hasTime = table === 'inbox_untimed'
    await client.query({
      name: `ids-${table}`,
      text: `insert into evt.${table} (consumer_id, message_id, part, log_offset ${hasTime ? ', event_time' : ''})
        select 1, id, 0, n ${hasTime ? ', now()' : ''}
        from unnest($1::uuid[]) with ordinality as m (id, n) order by id
        on conflict (consumer_id, message_id) do nothing returning message_id`,
      values: [`{${rows.map(() => idOf()).join()}}`],
    })
    await upsert(client, rows)
  }

/** The ways to write the rows of a transaction; the first is what a projector does. */
const WAYS: readonly Way[] = [
  { name: 'unnest, upsert', write: upsert },
  { name: 'COPY to a stage, upsert', write: copyAndUpsert },
  { name: 'COPY to a stage, MERGE', write: copyAndMerge },
  { name: 'unnest, upsert, ids of version 7 in the inbox', write: withIds('inbox', idNow) },
  { name: 'unnest, upsert, random ids in the inbox', write: withIds('inbox_untimed', randomUUID) },
]

/**
 * What a transaction costs that writes the rows which a batch of events has changed, in a table where they
 * are: `npm run bench -- row-writes`, with `--quick` and `--rounds`. Rounds are interleaved.
 */
export async function benchRowWrites(options: {
  readonly isQuick: boolean
  readonly rounds: number
}): Promise<readonly BenchRow[]> {
  using directory = await temporaryDirectory()
  const postgres = await startEmbeddedPostgres({
    dataDirectory: join(directory.path, 'postgres'),
    port: await freePort(),
    settings: { shared_buffers: '512MB', max_wal_size: '4GB' },
  })
  try {
    await migrate({ url: postgres.url, directory: join(ROOT, 'sql/migrations') })
    return await measure(postgres.url, options)
  } finally {
    await postgres.stop()
  }
}

type Cost = {
  readonly rowsPerSecond: number
  /** Of the processor, in Node and in the session's process of Postgres, per row. */
  readonly nodeMicros: number
  readonly postgresMicros: number
  readonly walBytes: number
}

async function measure(
  url: string,
  { isQuick, rounds }: { readonly isQuick: boolean; readonly rounds: number },
): Promise<readonly BenchRow[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`
    create table account (id uuid primary key, balance bigint, branch text, at timestamptz)
      with (fillfactor = 70);
    create temporary table stage (like account) on commit delete rows`)
  await upsert(
    client,
    Array.from({ length: ACCOUNTS }, (_, index) => accountAt(index, 0)),
  )
  const report: BenchRow[] = []
  for (const batch of isQuick ? BATCHES.slice(1, 3) : BATCHES) {
    const costs = new Map(WAYS.map(({ name }): [string, Cost[]] => [name, []]))
    for (let round = 0; round < rounds; round += 1) {
      for (const way of WAYS) {
        await client.query('vacuum analyze account')
        costs.get(way.name)?.push(await costOf(client, way, batch))
      }
    }
    for (const [name, ofWay] of costs)
      report.push(...rowsOf(`${name}, ${batch} rows`, ofWay, batch))
  }
  await client.end()
  return report
}

function rowsOf(name: string, costs: readonly Cost[], batch: number): readonly BenchRow[] {
  const row = (what: string, unit: string, figure: (cost: Cost) => number): BenchRow => {
    const figures = costs.map(figure)
    const baseline = `${WAYS[0]?.name}, ${batch} rows${what}`
    return {
      name: `${name}${what}`,
      rate: median(figures),
      range: [Math.min(...figures), Math.max(...figures)],
      unit,
      ...(baseline === `${name}${what}` ? {} : { baseline }),
    }
  }
  return [
    row('', 'rows/s', ({ rowsPerSecond }) => rowsPerSecond),
    row(': Node', 'µs/row', ({ nodeMicros }) => nodeMicros),
    row(': Postgres', 'µs/row', ({ postgresMicros }) => postgresMicros),
    row(': WAL', 'bytes/row', ({ walBytes }) => walBytes),
  ]
}

async function costOf(client: pg.Client, way: Way, batch: number): Promise<Cost> {
  const count = Math.ceil(ROWS_PER_RUN / batch)
  const batches = Array.from({ length: count }, (_, index) => batchOf(batch, index))
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const pid = rows[0]?.pid ?? 0
  const walBefore = await walPosition(client)
  const backendBefore = usageOf(pid).cpuSeconds
  const nodeBefore = process.cpuUsage()
  const startedMs = performance.now()
  for (const accounts of batches) {
    await client.query('begin')
    await way.write(client, accounts)
    await client.query('commit')
  }
  const seconds = (performance.now() - startedMs) / 1_000
  const node = process.cpuUsage(nodeBefore)
  const total = count * batch
  return {
    rowsPerSecond: total / seconds,
    nodeMicros: (node.user + node.system) / total,
    postgresMicros: ((usageOf(pid).cpuSeconds - backendBefore) * 1e6) / total,
    walBytes: ((await walPosition(client)) - walBefore) / total,
  }
}

async function walPosition(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ bytes: number }>(
    `select (pg_current_wal_insert_lsn() - '0/0')::float8 as bytes`,
  )
  return rows[0]?.bytes ?? 0
}

/** Other accounts each time, in the order of their keys, as a projector writes them. */
function batchOf(size: number, round: number): readonly Account[] {
  const indexes = new Set<number>()
  while (indexes.size < size) indexes.add(Math.floor(Math.random() * ACCOUNTS))
  return [...indexes].sort((one, other) => one - other).map((index) => accountAt(index, round))
}

function accountAt(index: number, round: number): Account {
  const id = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
  return [id, index * 100 + round, `branch-${index % 50}`, new Date(1.7e12 + round).toISOString()]
}

let idCount = 0

function idNow(): string {
  idCount += 1
  const time = Date.now().toString(16).padStart(12, '0')
  const rest = String(idCount % 1_000_000_000_000).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${rest}`
}
