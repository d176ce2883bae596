import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createOutbox } from '@fairlead/outbox'
import { createPool } from '@fairlead/postgres'
import { createKysely } from '@fairlead/testing'
import { createProjections } from '@fairlead/read-your-writes'
import { createAvroSerde, createRegistryClient } from '@fairlead/serde'
import { type Kysely, type Transaction, sql } from 'kysely'
import { RunningApp } from '../../support/running-app.ts'
import { depositSet } from './accounts.ts'
import { PARTITIONS, type ProjectionStack } from './stack.ts'
import type { BenchRow } from '../report.ts'
import { createTopic } from '../services.ts'

const WRITES_PER_SECOND = 1_000
const SECONDS = 10
/** What the first writes meet is code that is not compiled yet. */
const WARM_UP_SECONDS = 4
const TICK_MS = 5
const CONNECTIONS = 16
/** On a machine that does not take so many writes a second: none waits for a connection until it is given up. */
const UNCOMMITTED_MAX = 500
/** What Emmett polls its messages with by default, and about what others do. */
const POLL_INTERVAL_MS = 50
const TIMEOUT = '30s'
const P50_MAX_MS = 15
const P99_MAX_MS = 80
const SET = 'reads'

/** Resolves once what was written is in the read model. */
type Write = (id: string) => Promise<() => Promise<unknown>>

/** In milliseconds, sorted; and how many writes a second the machine took. */
type Latencies = { readonly sorted: readonly number[]; readonly writesPerSecond: number }

/**
 * From the answer of a commit to a read model that has it, at 1,000 writes a second: through WAL,
 * relay, broker and projector, against a poller that reads the new rows of a source table.
 */
export async function* benchReads(stack: ProjectionStack): AsyncIterable<readonly BenchRow[]> {
  const databaseUrl = await stack.createDatabase()
  const connect = (max: number) =>
    createKysely<unknown>(createPool({ url: databaseUrl, max, applicationName: 'bench' }))
  const db = connect(CONNECTIONS)
  // Reads do not queue behind writes.
  const readDb = connect(1)
  const polled = await latencies(await pollingWrites(db))
  const endpoints = { 'database.url': databaseUrl, 'bootstrap.servers': stack.broker.address }
  await createTopic(stack.broker, depositSet(SET).events.topic, PARTITIONS)
  const relay = await RunningApp.start('apps/relay/src/main.ts', endpoints)
  const projector = RunningApp.launch(
    'apps/projector/src/main.ts',
    {
      ...endpoints,
      'schema.registry.url': stack.registry.url,
      projections: join(import.meta.dirname, 'accounts.ts'),
    },
    { BENCH_SET: SET },
  )
  try {
    await projector.ready()
    const write = await tokenWrites({ db, readDb }, stack.registry.url)
    await (await write(randomUUID()))()
    const waited = await latencies(write)
    yield [
      ...rows('polling of the source table every 50 ms', polled),
      ...rows(
        'waiting for the token of the write',
        waited,
        'polling of the source table every 50 ms',
      ),
    ]
  } finally {
    await projector.stop()
    await relay.stop()
    await db.destroy()
    await readDb.destroy()
  }
}

function rows(name: string, measured: Latencies, baseline?: string): readonly BenchRow[] {
  const { sorted, writesPerSecond } = measured
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
  const row = (percentile: string, rate: number) => ({
    name: `${name}, ${percentile}`,
    rate,
    unit: 'ms',
  })
  const taken: BenchRow = {
    name: `${name}, writes (${WRITES_PER_SECOND} wanted)`,
    rate: writesPerSecond,
    unit: 'writes/s',
  }
  if (baseline === undefined) return [taken, row('p50', at(0.5)), row('p99', at(0.99))]
  return [
    taken,
    {
      ...row(`p50 (≤ ${P50_MAX_MS} ms)`, at(0.5)),
      baseline: `${baseline}, p50`,
      bar: { atMost: 1 },
    },
    {
      ...row(`p99 (≤ ${P99_MAX_MS} ms)`, at(0.99)),
      baseline: `${baseline}, p99`,
      bar: { atMost: 1 },
    },
  ]
}

async function tokenWrites(
  { db, readDb }: { readonly db: Kysely<unknown>; readonly readDb: Kysely<unknown> },
  registryUrl: string,
): Promise<Write> {
  const { events, fold } = depositSet(SET)
  const serde = createAvroSerde({ registry: createRegistryClient({ url: registryUrl }) })
  const outbox = await createOutbox({ serde, events: [events] })
  const projections = createProjections({ db: readDb })
  return async (accountId) => {
    const event = events.Deposited({ accountId, amount: 1n, branch: 'b', at: new Date() })
    const { token } = await outbox.transaction(db, (transaction) =>
      outbox.append(transaction, event),
    )
    return () => projections.waitFor(fold, token, { key: accountId, timeout: TIMEOUT })
  }
}

async function pollingWrites(db: Kysely<unknown>): Promise<Write> {
  await sql`create table public.entry (seq bigserial primary key, id uuid)`.execute(db)
  await sql`create table public.polled (id uuid primary key, balance bigint)`.execute(db)
  let applied = 0
  const waiting = new Map<number, () => void>()
  const pollOnce = async (transaction: Transaction<unknown>): Promise<number> => {
    const { rows: found } = await sql<{ last: string | null }>`
      with fresh as (select seq, id from public.entry where seq > ${applied}),
        added as (insert into public.polled select id, count(*) from fresh group by id
          on conflict (id) do update set balance = polled.balance + excluded.balance)
      select max(seq) as last from fresh`.execute(transaction)
    return Number(found[0]?.last ?? applied)
  }
  const pollAll = async (): Promise<void> => {
    for (;;) {
      applied = await db.transaction().execute(pollOnce)
      for (const [seq, resolve] of waiting) {
        if (seq > applied) continue
        waiting.delete(seq)
        resolve()
      }
      await delay(POLL_INTERVAL_MS, undefined, { ref: false })
    }
  }
  // It ends with its database.
  pollAll().catch(() => undefined)
  return async (id) => {
    const seq = await db.transaction().execute(async (transaction) => {
      const { rows: inserted } = await sql<{ seq: string }>`
        insert into public.entry (id) values (${id}) returning seq`.execute(transaction)
      return Number(inserted[0]?.seq)
    })
    return () =>
      seq <= applied ? Promise.resolve() : new Promise<void>((resolve) => waiting.set(seq, resolve))
  }
}

/** Of writes at a steady rate; without those of the warm-up. */
async function latencies(write: Write): Promise<Latencies> {
  const measured: number[] = []
  const underWay: Promise<void>[] = []
  let uncommitted = 0
  const one = async (isWarm: boolean): Promise<void> => {
    uncommitted += 1
    const wait = await write(randomUUID())
    uncommitted -= 1
    const committedMs = performance.now()
    await wait()
    if (isWarm) measured.push(performance.now() - committedMs)
  }
  const startedMs = performance.now()
  const warmUpCount = WRITES_PER_SECOND * WARM_UP_SECONDS
  const count = warmUpCount + WRITES_PER_SECOND * SECONDS
  let begun = 0
  let warmMs = startedMs
  while (begun < count) {
    const due = ((performance.now() - startedMs) / 1_000) * WRITES_PER_SECOND
    const end = Math.min(due, count, begun + UNCOMMITTED_MAX - uncommitted)
    for (; begun < end; begun += 1) {
      if (begun === warmUpCount) warmMs = performance.now()
      underWay.push(one(begun >= warmUpCount))
    }
    await delay(TICK_MS)
  }
  const writesPerSecond = (WRITES_PER_SECOND * SECONDS * 1_000) / (performance.now() - warmMs)
  await Promise.all(underWay)
  return { sorted: measured.sort((left, right) => left - right), writesPerSecond }
}
