import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { AnyEvent } from '@fairlead/projection'
import { cached } from '../../support/cache.ts'
import { withClient } from './stack.ts'

/** Fetched into the user's cache: the newest release, which nothing else here needs. */
const PACKAGES = {
  '@event-driven-io/emmett': '0.42.0',
  '@event-driven-io/emmett-postgresql': '0.42.0',
  '@event-driven-io/pongo': '0.16.11',
} as const
const APPEND_EVENTS = 500

type Sql = (strings: TemplateStringsArray, ...values: readonly unknown[]) => object
type StoredEvent = {
  readonly type: string
  readonly data: { readonly id: string; readonly amount: string }
}

type Emmett = {
  readonly getPostgreSQLEventStore: (url: string) => {
    readonly schema: { readonly migrate: () => Promise<unknown> }
    readonly appendToStream: (stream: string, events: readonly StoredEvent[]) => Promise<unknown>
    readonly close: () => Promise<void>
  }
  readonly postgreSQLRawSQLProjection: (options: {
    readonly name: string
    readonly canHandle: readonly string[]
    readonly evolve: (event: StoredEvent) => object
  }) => object
  readonly rebuildPostgreSQLProjections: (options: {
    readonly connectionString: string
    readonly projection: object
  }) => { readonly start: () => Promise<void>; readonly close: () => Promise<void> }
}

/** Events per second of a projection that adds up deposits with one statement per event. */
export async function emmettRate(
  databaseUrl: string,
  events: readonly AnyEvent[],
): Promise<number> {
  const { emmett, sql } = await load()
  await withClient(databaseUrl, (client) =>
    client.query(
      'create table public.emmett_account (id uuid primary key, balance bigint not null)',
    ),
  )
  await append(emmett, databaseUrl, events)
  const projection = emmett.postgreSQLRawSQLProjection({
    name: 'accounts',
    canHandle: ['Deposited'],
    evolve: ({ data }) => sql`
      insert into public.emmett_account values (${data.id}::uuid, ${data.amount}::bigint)
      on conflict (id) do update set balance = emmett_account.balance + excluded.balance`,
  })
  const consumer = emmett.rebuildPostgreSQLProjections({
    connectionString: databaseUrl,
    projection,
  })
  const startedMs = performance.now()
  await consumer.start()
  const seconds = (performance.now() - startedMs) / 1_000
  await consumer.close()
  return events.length / seconds
}

async function append(
  emmett: Emmett,
  databaseUrl: string,
  events: readonly AnyEvent[],
): Promise<void> {
  const store = emmett.getPostgreSQLEventStore(databaseUrl)
  await store.schema.migrate()
  for (let first = 0; first < events.length; first += APPEND_EVENTS) {
    const stored = events.slice(first, first + APPEND_EVENTS).map(({ type, key, data }) => ({
      type,
      data: { id: key, amount: String((data as { readonly amount: bigint }).amount) },
    }))
    await store.appendToStream(`deposits-${first}`, stored)
  }
  await store.close()
}

async function load(): Promise<{ readonly emmett: Emmett; readonly sql: Sql }> {
  const manifest = JSON.stringify({ private: true, dependencies: PACKAGES })
  const directory = await cached('emmett', manifest, async (target) => {
    await writeFile(join(target, 'package.json'), manifest)
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund'], { cwd: target })
  })
  const module = async (name: string): Promise<unknown> =>
    import(
      pathToFileURL(join(directory, 'node_modules/@event-driven-io', name, 'dist/index.js')).href
    )
  const { SQL } = (await module('dumbo')) as { readonly SQL: Sql }
  return { emmett: (await module('emmett-postgresql')) as Emmett, sql: SQL }
}
