import { createPool } from '@fairlead/postgres'
import { Metrics, loadConfig } from '@fairlead/service'
import type pg from 'pg'
import { vi } from 'vitest'
import { RELAY_CONFIG } from '../config.ts'
import { RelayMetrics } from '../metrics.ts'
import { type RelayOptions, relayOptions } from '../options.ts'
import { Relay } from '../relay.ts'
import { FakeBrokers } from './fake-brokers.ts'

const WAIT = { timeout: 60_000, interval: 20 }
function ignore(): void {
  // The tests look at the state, not at the log.
}

/** What piles up on an emitter or a signal: Node tells once for each kind. */
const leaks: string[] = []
process.on('warning', ({ name, message }) => {
  if (name === 'MaxListenersExceededWarning') leaks.push(message)
})

type ParkedRow = { readonly event_id: string; readonly kind: string; readonly reason_code: string }

/** Of a relay that is to have one connection all the time, though the machine stands still for a moment. */
export const UNHURRIED = { 'wal.sender.timeout.ms': '60000' }

/** A relay between a database of its own and brokers in memory. */
export class RelayFixture {
  readonly url: string
  readonly pool: pg.Pool
  readonly brokers = new FakeBrokers()
  readonly slotName: string
  readonly fatal: unknown[] = []
  readonly #drop: () => Promise<void>
  readonly #settings: Readonly<Record<string, string>>
  readonly relays: Relay[] = []
  /** Of the relay that was made last. */
  #metrics: Metrics | undefined
  isSnapshotHeldBack = false
  /** What readiness was told of heartbeats. */
  readonly heartbeats: (true | string)[] = []
  /** Texts of the log. */
  readonly loggedWarnings: string[] = []

  constructor(
    database: { readonly url: string; drop(): Promise<void> },
    settings: Readonly<Record<string, string>> = {},
  ) {
    this.url = database.url
    this.#drop = () => database.drop()
    this.#settings = settings
    this.slotName = `relay_${new URL(database.url).pathname.slice(1).slice(-12)}`
    this.pool = createPool({ url: database.url, max: 8, applicationName: 'relay-test' })
  }

  options(settings: Readonly<Record<string, string>> = {}): RelayOptions {
    const argv = Object.entries({
      'database.url': this.url,
      'slot.name': this.slotName,
      'wal.sender.timeout.ms': '3000',
      ...this.#settings,
      ...settings,
    }).map(([key, value]) => `--${key}=${value}`)
    const { config } = loadConfig(RELAY_CONFIG, { argv, env: {}, envPrefix: 'RELAY_' })
    return relayOptions(config)
  }

  /** Another relay on the same slot. */
  relay(settings: Readonly<Record<string, string>> = {}): Relay {
    this.#metrics = new Metrics({ service: 'relay', version: 'test' })
    const relay = new Relay({
      options: this.options(settings),
      openSink: this.brokers.open,
      metrics: new RelayMetrics(this.#metrics),
      logger: {
        debug: ignore,
        info: ignore,
        warn: (_, text) => void this.loggedWarnings.push(text),
        error: ignore,
      },
      isSnapshotHeldBack: () => this.isSnapshotHeldBack,
      onState: ignore,
      onHeartbeat: (state) => void this.heartbeats.push(state),
      onFatal: (error) => this.fatal.push(error),
    })
    this.relays.push(relay)
    return relay
  }

  async started(settings?: Readonly<Record<string, string>>): Promise<Relay> {
    const relay = this.relay(settings)
    relay.start()
    await this.until(() => relay.status.state === 'streaming')
    return relay
  }

  async metricsText(): Promise<string> {
    return (await this.#metrics?.registry.metrics()) ?? ''
  }

  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    await vi.waitFor(async () => {
      if (!(await condition())) throw new Error('not yet')
    }, WAIT)
  }

  /** Inserts events in one transaction and gives their ids. */
  async insert(
    events: readonly { readonly type?: string; readonly key?: string; readonly bytes?: number }[],
  ): Promise<readonly string[]> {
    const { rows } = await this.pool.query<{ id: string }>(
      `insert into outbox.events (aggregatetype, aggregateid, type, payload)
       select event.* from unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) as event
       returning id`,
      [
        events.map(({ type }) => type ?? 'order'),
        events.map(({ key }) => key ?? 'k'),
        events.map(() => 'Tested'),
        events.map(({ bytes }) => Buffer.alloc(bytes ?? 10)),
      ],
    )
    return rows.map(({ id }) => id)
  }

  /** Events that a relay has set aside, in the order of their commits. */
  async parkedRows(): Promise<readonly ParkedRow[]> {
    const { rows } = await this.pool.query<ParkedRow>(
      'select event_id, kind, reason_code from relay.parked_event order by commit_lsn, commit_index',
    )
    return rows
  }

  publishedIds(topic = 'outbox.event.order'): readonly string[] {
    return this.brokers.records(topic).map(({ headerTexts }) => headerTexts.get('id') ?? '')
  }

  /** Everything that is in the log now is confirmed. */
  async confirmed(): Promise<void> {
    const { rows } = await this.pool.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn')
    await this.until(async () => {
      const { rows: slots } = await this.pool.query<{ done: boolean }>(
        'select confirmed_flush_lsn >= $2 as done from pg_replication_slots where slot_name = $1',
        [this.slotName, rows[0]?.lsn],
      )
      return slots[0]?.done === true
    })
  }

  async close(): Promise<void> {
    this.brokers.unstick()
    await Promise.all(this.relays.map((relay) => relay.stop()))
    await this.pool.end()
    await this.#drop()
    if (leaks.length > 0) throw new Error(leaks.join('; '))
  }
}
