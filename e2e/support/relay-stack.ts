import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type IncomingRecord, type Isolation, createAdmin, createReader } from '@fairlead/kafka'
import { createPool, migrate, startEmbeddedPostgres } from '@fairlead/postgres'
import type pg from 'pg'
import { freePort } from './free-port.ts'
import { ROOT } from './platform.ts'
import { RunningApp } from './running-app.ts'
import { type TestedBroker, startTestedBroker } from './tested-broker.ts'
import { waitFor } from './wait-for.ts'

const RELAY = 'apps/relay/src/main.ts'
const SLOT = 'fairlead_relay'
const CONNECTIONS_MAX = 10
const ENTER_ONLY = 0o711
const FETCH = { maxWaitMs: 500, maxBytes: 1_000_000 }

export type RecordsOptions = { readonly address?: string; readonly isolation?: Isolation }

export type RelayStatus = {
  readonly state: string
  readonly reason: string
  readonly pendingEvents: number
}

/** A real Postgres and a real broker, with relays between them as processes that a test kills. */
export class RelayStack {
  readonly postgres: Awaited<ReturnType<typeof startEmbeddedPostgres>>
  readonly broker: TestedBroker
  readonly pool: pg.Pool
  /** Of everything here; removed at the end. */
  readonly directory: string
  readonly #relays = new Set<RunningApp>()

  static async start(
    settings: { readonly postgres?: Readonly<Record<string, string>> } = {},
  ): Promise<RelayStack> {
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-relay-'))
    await chmod(directory, ENTER_ONLY)
    const postgres = await startEmbeddedPostgres({
      dataDirectory: join(directory, 'postgres'),
      port: await freePort(),
      ...(settings.postgres === undefined ? {} : { settings: settings.postgres }),
    })
    await migrate({ url: postgres.url, directory: join(ROOT, 'sql/migrations') })
    return new RelayStack(directory, postgres, await startTestedBroker())
  }

  private constructor(
    directory: string,
    postgres: Awaited<ReturnType<typeof startEmbeddedPostgres>>,
    broker: TestedBroker,
  ) {
    this.directory = directory
    this.postgres = postgres
    this.broker = broker
    const max = CONNECTIONS_MAX
    this.pool = createPool({ url: postgres.url, max, applicationName: 'e2e' })
  }

  /** Of Postgres. */
  get dataDirectory(): string {
    return join(this.directory, 'postgres')
  }

  /** Starts a relay and does not wait for it. */
  relay(
    config: Readonly<Record<string, string | number>> = {},
    env: Readonly<Record<string, string>> = {},
  ): RunningApp {
    const always = {
      'database.url': this.postgres.url,
      'bootstrap.servers': this.broker.address,
      'wal.sender.timeout.ms': 3_000,
    }
    const relay = RunningApp.launch(RELAY, { ...always, ...config }, env)
    this.#relays.add(relay)
    return relay
  }

  async statusOf(relay: RunningApp): Promise<RelayStatus | undefined> {
    if (relay.logField('httpPort') === undefined) return undefined
    const response = await fetch(`${relay.url}/status`).catch(() => undefined)
    return response === undefined ? undefined : ((await response.json()) as RelayStatus)
  }

  async hasState(relay: RunningApp, state: string): Promise<void> {
    await waitFor(`a relay to be ${state}`, 120_000, async () => {
      return (await this.statusOf(relay))?.state === state
    })
  }

  /** One event per key, in one transaction. */
  async insertKeys(...keys: readonly string[]): Promise<void> {
    await this.pool.query(
      `insert into outbox.events (aggregatetype, aggregateid, type)
       select 'order', key, 'Tested' from unnest($1::text[]) as key`,
      [keys],
    )
  }

  /** Everything that is in the log now is published and confirmed. */
  async confirmed(deadlineMs = 120_000, slotName: string = SLOT): Promise<void> {
    const { rows } = await this.pool.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn')
    await waitFor('the slot to be confirmed', deadlineMs, async () => {
      const { rows: slots } = await this.pool.query<{ done: boolean }>(
        'select confirmed_flush_lsn >= $2 as done from pg_replication_slots where slot_name = $1',
        [slotName, rows[0]?.lsn],
      )
      return slots[0]?.done === true
    })
  }

  /** How many records a topic has had. */
  async recordCount(topic: string): Promise<number> {
    const admin = createAdmin({ bootstrapServers: [this.broker.address], clientId: 'oracle' })
    try {
      let count = 0
      const partitionCount = (await admin.partitionCount(topic)) ?? 0
      for (let partition = 0; partition < partitionCount; partition += 1) {
        count += await admin.listOffsets({ topic, partition, timestamp: 'latest' })
      }
      return count
    } finally {
      await admin.close()
    }
  }

  /** What a topic holds, partition by partition; of another cluster, where one is named. */
  async records(
    topic: string,
    { address = this.broker.address, ...fetch }: RecordsOptions = {},
  ): Promise<readonly IncomingRecord[]> {
    const client = { bootstrapServers: [address], clientId: 'oracle' }
    const admin = createAdmin(client)
    const reader = createReader(client)
    const records: IncomingRecord[] = []
    const partitionCount = (await admin.partitionCount(topic)) ?? 0
    for (let partition = 0; partition < partitionCount; partition += 1) {
      const end = await admin.listOffsets({ topic, partition, timestamp: 'latest' })
      for (let fromOffset = 0; fromOffset < end; ) {
        const fetched = await reader.fetch({
          topic,
          partition,
          fromOffset,
          ...FETCH,
          ...fetch,
        })
        records.push(...fetched.records)
        fromOffset = fetched.nextOffset
      }
    }
    await Promise.all([admin.close(), reader.close()])
    return records
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const relay of this.#relays) await relay.stop('SIGKILL')
    await this.pool.end()
    await this.broker.stop()
    await this.postgres.stop()
    await rm(this.directory, { recursive: true, force: true })
  }
}

export function headerOf(record: IncomingRecord, name: string): string | undefined {
  const value = record.headers.find(([key]) => key === name)?.[1]
  return value === undefined || value === null ? undefined : Buffer.from(value).toString()
}
