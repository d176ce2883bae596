import { join } from 'node:path'
import { migrate } from '@fairlead/postgres'

import pg from 'pg'
import { ROOT } from '../../support/platform.ts'
import { RunningApp } from '../../support/running-app.ts'
import { type Deposits, publish } from './deposits.ts'
import { type DepositEvents, type Form, depositSet } from './accounts.ts'
import { poll } from '../poll.ts'
import {
  type RunningBroker,
  type TemporaryDirectory,
  createTopic,
  startBroker,
  startPostgres,
  temporaryDirectory,
} from '../services.ts'
import { type Usage, cpuSecondsWithChildren, usageBetween, usageOf } from '../usage.ts'

export const PARTITIONS = 4
/** The default of `batch.records.max`. */
export const BATCH_EVENTS = 2_000
/** Emmett's default; of the few events that handlers in SQL get, larger ones would leave no rate. */
const SQL_BATCH_EVENTS = 100
/** So many times as many are in a batch while a projector is far behind, as it is here nearly all of the time. */
const CATCH_UP_FACTOR = 4
export const CATCH_UP_BATCH_EVENTS = CATCH_UP_FACTOR * BATCH_EVENTS
const CHECKPOINT_POLL_MS = 5

export type Run = {
  readonly set: string
  readonly form: Form
  /** Of look-ups. */
  readonly concurrency?: number
  readonly eventCount: number
  /** Ends the projector so often on its way. */
  readonly kills?: number
  /** Another process stands by meanwhile, and takes over. */
  readonly hasStandby?: boolean
  /** Of a batch while the projector is far behind; `CATCH_UP_BATCH_EVENTS` unless given. */
  readonly batchEvents?: number
}

export type Measured = {
  readonly rate: number
  readonly seconds: number
  readonly usage: Usage
  /** CPU seconds of the servers meanwhile. */
  readonly servers: ServerSeconds
}

export type ServerSeconds = { readonly postgres: number; readonly broker: number }

/** Postgres, a broker and a registry for one section, and databases by the number. */
export class ProjectionStack implements AsyncDisposable {
  readonly broker: RunningBroker
  readonly registry: RunningApp
  readonly #directory: TemporaryDirectory
  readonly #postgres: AsyncDisposable & { readonly url: string; readonly pid: number }
  #databaseCount = 0

  private constructor(parts: {
    readonly broker: RunningBroker
    readonly registry: RunningApp
    readonly directory: TemporaryDirectory
    readonly postgres: AsyncDisposable & { readonly url: string; readonly pid: number }
  }) {
    this.broker = parts.broker
    this.registry = parts.registry
    this.#directory = parts.directory
    this.#postgres = parts.postgres
  }

  static async start(): Promise<ProjectionStack> {
    const directory = await temporaryDirectory()
    const postgres = await startPostgres(join(directory.path, 'postgres'))
    const broker = await startBroker(join(directory.path, 'kafka'), 'group')
    const registry = await RunningApp.start('apps/registry/src/main.ts', {
      'kafkastore.bootstrap.servers': broker.address,
    })
    return new ProjectionStack({ broker, registry, directory, postgres })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry.stop()
    await this.broker[Symbol.asyncDispose]()
    await this.#postgres[Symbol.asyncDispose]()
    this.#directory[Symbol.dispose]()
  }

  /** Of a database that is new, with the tables of outbox and projections. */
  async createDatabase(): Promise<string> {
    this.#databaseCount += 1
    const name = `bench_${this.#databaseCount}`
    await withClient(this.#postgres.url, (client) => client.query(`create database ${name}`))
    const url = new URL(this.#postgres.url)
    url.pathname = `/${name}`
    await migrate({ url: url.href, directory: join(ROOT, 'sql/migrations') })
    return url.href
  }

  /** Fills the topic of a set. */
  async publish(set: string, make: (events: DepositEvents) => Deposits): Promise<Deposits> {
    const { events } = depositSet(set)
    const logs = make(events)
    await createTopic(this.broker, events.topic, PARTITIONS)
    await publish(events, logs, { broker: this.broker.address, registry: this.registry.url })
    return logs
  }

  /** From the first checkpoint to the last: without the start of the process and its joining a group. */
  async project(databaseUrl: string, run: Run): Promise<Measured> {
    const launch = (): RunningApp => this.#launchProjector(databaseUrl, run)
    let app = launch()
    let standby: RunningApp | undefined
    const { kills = 0, eventCount, hasStandby = false } = run
    try {
      return await withClient(databaseUrl, async (client) => {
        const firstCount = await appliedAtLeast(client, 1)
        if (hasStandby) standby = launch()
        const before = usageOf(app.pid)
        const serversBefore = this.serverSeconds()
        const startedMs = performance.now()
        for (let kill = 1; kill <= kills; kill += 1) {
          await appliedAtLeast(client, Math.floor((eventCount * kill) / (kills + 1)))
          if (standby !== undefined) await standsBy(standby)
          await app.stop('SIGKILL')
          app = standby ?? launch()
          if (hasStandby) standby = launch()
        }
        await appliedAtLeast(client, eventCount)
        const seconds = (performance.now() - startedMs) / 1_000
        const usage = kills === 0 ? usageBetween(before, usageOf(app.pid)) : usageOf(app.pid)
        const rate = (eventCount - firstCount) / seconds
        return {
          rate,
          seconds,
          usage,
          servers: secondsBetween(serversBefore, this.serverSeconds()),
        }
      })
    } finally {
      await standby?.stop()
      await app.stop()
    }
  }

  /** CPU seconds so far. */
  serverSeconds(): ServerSeconds {
    return {
      postgres: cpuSecondsWithChildren(this.#postgres.pid),
      broker: usageOf(this.broker.app.pid).cpuSeconds,
    }
  }

  #launchProjector(
    databaseUrl: string,
    { set, form, batchEvents, concurrency = 1, hasStandby = false }: Run,
  ): RunningApp {
    const recordsMax =
      batchEvents === undefined ? BATCH_EVENTS : Math.ceil(batchEvents / CATCH_UP_FACTOR)
    return RunningApp.launch(
      'apps/projector/src/main.ts',
      {
        'database.url': databaseUrl,
        'bootstrap.servers': this.broker.address,
        'schema.registry.url': this.registry.url,
        'group.id': new URL(databaseUrl).pathname.slice(1),
        // A process that was killed is back under its name, and waits for no session to time out.
        'group.instance.id': 'bench',
        'standby.enabled': String(hasStandby),
        projections: join(import.meta.dirname, 'accounts.ts'),
        'batch.records.max': form === 'sql' ? SQL_BATCH_EVENTS : recordsMax,
        'parked.keys.per.minute.max': 100_000,
      },
      { BENCH_SET: set, BENCH_FORM: form, BENCH_CONCURRENCY: String(concurrency) },
    )
  }
}

/** One that has not started yet, or is the one that works, is no standby. */
async function standsBy(app: RunningApp): Promise<void> {
  await poll('a process to stand by', CHECKPOINT_POLL_MS, () =>
    Promise.resolve(app.logLines.some((line) => line.includes('standing by')) || undefined),
  )
}

export function secondsBetween(before: ServerSeconds, after: ServerSeconds): ServerSeconds {
  return { postgres: after.postgres - before.postgres, broker: after.broker - before.broker }
}

export async function withClient<T>(
  databaseUrl: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Of the rows of a table, whatever order they lie in. */
export async function hashOf(client: pg.Client, table: string): Promise<string> {
  const { rows } = await client.query<{ hash: string }>(
    `select md5(string_agg(t::text, ',' order by id)) as hash from ${table} as t`,
  )
  return rows[0]?.hash ?? ''
}

/** Waits until the checkpoints say that so many events are applied, and answers how many are. */
async function appliedAtLeast(client: pg.Client, count: number): Promise<number> {
  return poll(`${count} events to be applied`, CHECKPOINT_POLL_MS, async () => {
    const { rows } = await client.query<{ applied: number }>(
      'select coalesce(sum(next_offset), 0)::int as applied from evt.checkpoint',
    )
    const applied = rows[0]?.applied ?? 0
    return applied >= count ? applied : undefined
  })
}
