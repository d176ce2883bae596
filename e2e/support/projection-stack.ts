import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AnyEvents, NewEvent } from '@fairlead/avro'
import {
  type Admin,
  type IdempotentProducer,
  type IncomingRecord,
  type OutgoingRecord,
  createAdmin,
  createClusterAdmin,
  createProducer,
  createReader,
} from '@fairlead/kafka'
import { createPool, migrate, startEmbeddedPostgres } from '@fairlead/postgres'
import { type AvroEncoder, createAvroSerde, createRegistryClient } from '@fairlead/serde'
import type pg from 'pg'
import { freePort } from './free-port.ts'
import { ROOT } from './platform.ts'
import { RegistryProcess } from './registry-process.ts'
import { RunningApp } from './running-app.ts'
import { type TestedBroker, startTestedBroker } from './tested-broker.ts'
import { waitFor } from './wait-for.ts'

const PROJECTOR = 'apps/projector/src/main.ts'
const RELAY = 'apps/relay/src/main.ts'
const CONNECTIONS_MAX = 10
const ENTER_ONLY = 0o711
/** What a producer aborted never happened. */
const FETCH = { maxWaitMs: 500, maxBytes: 4_000_000, isolation: 'read_committed' } as const
const CATCH_UP_DEADLINE_MS = 240_000

/** Quick to notice a member that died. */
const BROKER_SETTINGS = { 'group.min.session.timeout.ms': 1_000 }
const PROJECTOR_SETTINGS = {
  'session.timeout.ms': 2_000,
  'heartbeat.interval.ms': 300,
  // What a test has parked stays, however long it takes, until the test asks for it.
  'parked.key.retries.max': 0,
}

type Config = Readonly<Record<string, string | number>>

export type StackOptions = {
  /** What the topics of the projections have; they are created with it. Default 1. */
  readonly partitions?: number
  readonly events: AnyEvents
  /** Of further topics of the projections. */
  readonly otherEvents?: readonly AnyEvents[]
  /** Module with the projections, as the key `projections` of a projector names it. */
  readonly projections: string
  readonly broker?: Config
  /** Runs on these brokers, which the caller ends, and has none of its own. */
  readonly bootstrapServers?: string
  readonly postgres?: Readonly<Record<string, string>>
  readonly topicConfigs?: Readonly<Record<string, string>>
}

/** A record that a test makes by hand; the others come from `publish`. */
export type RawRecord = Partial<OutgoingRecord>

/**
 * A real Postgres, a real broker and a real schema registry, with projectors beside them as processes
 * that a test kills. `await using` ends them all.
 */
export class ProjectionStack {
  readonly postgres: Awaited<ReturnType<typeof startEmbeddedPostgres>>
  readonly registry: RegistryProcess
  readonly pool: pg.Pool
  readonly admin: Admin
  readonly topic: string
  readonly #options: StackOptions
  /** Is removed with the stack. */
  readonly directory: string
  readonly #broker: TestedBroker | undefined
  readonly #apps = new Set<RunningApp>()
  #producer: IdempotentProducer | undefined
  #encoders: ReadonlyMap<string, AvroEncoder> | undefined

  static async start(options: StackOptions): Promise<ProjectionStack> {
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-projections-'))
    await chmod(directory, ENTER_ONLY)
    // One after the other: what starts meanwhile could take the port that Postgres is about to.
    const postgres = await startPostgres(join(directory, 'postgres'), options.postgres)
    const { broker, registry } = await startBroker(options).catch(async (error: unknown) => {
      await postgres.stop()
      throw error
    })
    const stack = new ProjectionStack(options, directory, { postgres, broker, registry })
    try {
      await stack.createTopic()
      return stack
    } catch (error) {
      await stack[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(
    options: StackOptions,
    directory: string,
    peers: Pick<ProjectionStack, 'postgres' | 'registry'> & {
      readonly broker: TestedBroker | undefined
    },
  ) {
    this.#options = options
    this.directory = directory
    this.topic = options.events.topic
    this.postgres = peers.postgres
    this.#broker = peers.broker
    this.registry = peers.registry
    this.pool = createPool({
      url: peers.postgres.url,
      max: CONNECTIONS_MAX,
      applicationName: 'e2e',
    })
    this.admin = createAdmin(this.#client)
  }

  /** Of its server. */
  get dataDirectory(): string {
    return join(this.directory, 'postgres')
  }

  get broker(): TestedBroker {
    if (this.#broker === undefined) throw new TypeError('the stack has no broker of its own')
    return this.#broker
  }

  get bootstrapServers(): string {
    return this.#options.bootstrapServers ?? this.broker.address
  }

  async createTopic(): Promise<void> {
    const { partitions = 1, topicConfigs: configs } = this.#options
    for (const { topic } of this.#eventSets) {
      await this.admin.ensureTopic({
        topic,
        partitions,
        ...(configs === undefined ? {} : { configs }),
      })
    }
  }

  /** Starts a projector and does not wait for it. */
  projector(config: Config = {}, env: Readonly<Record<string, string>> = {}): RunningApp {
    return this.#launch(
      PROJECTOR,
      {
        'database.url': this.postgres.url,
        'bootstrap.servers': this.bootstrapServers,
        'schema.registry.url': this.registry.url,
        projections: this.#options.projections,
        ...PROJECTOR_SETTINGS,
        ...config,
      },
      env,
    )
  }

  /** Starts a relay of the outbox in the same database. */
  relay(config: Config = {}): RunningApp {
    return this.#launch(RELAY, {
      'database.url': this.postgres.url,
      'bootstrap.servers': this.bootstrapServers,
      ...config,
    })
  }

  /** The same; what is committed from now on, it reads in the order of the commits. */
  async relayWithSlot(): Promise<RunningApp> {
    const relay = this.relay()
    await waitFor('the relay to have its slot', 60_000, async () => {
      // A slot that is being made has no position yet: what is written then is read as earlier rows.
      const { rowCount } = await this.pool.query(
        'select from pg_replication_slots where active and confirmed_flush_lsn is not null',
      )
      return rowCount === 1
    })
    return relay
  }

  /** Encoded with the schemas that this registers, and stored in the order given. */
  async publish(...events: readonly NewEvent[]): Promise<void> {
    await this.publishRaw(...(await this.encode(...events)))
  }

  /** The records of events, to be changed before they are sent. */
  async encode(...events: readonly NewEvent[]): Promise<readonly RawRecord[]> {
    this.#encoders ??= await this.#registerSchemas()
    return events.map((event) => {
      const encoder = this.#encoders?.get(event.type)
      if (encoder === undefined) throw new TypeError(`no schema for ${event.type}`)
      const type = Buffer.from(event.type)
      return {
        topic: event.topic,
        key: Buffer.from(event.key),
        value: encoder.encode(event.data),
        headers: [['eventType', type]],
      }
    })
  }

  async publishRaw(...records: readonly RawRecord[]): Promise<void> {
    this.#producer ??= createProducer({ ...this.#client, maxRequestSizeBytes: 100_000_000 })
    try {
      await this.#producer.send(
        records.map((record) => ({
          topic: this.topic,
          partition: undefined,
          key: null,
          value: null,
          headers: [],
          ...record,
        })),
      )
    } catch (error) {
      // What was stored is unknown, and the producer is done; the log tells.
      await this.changeProducer()
      throw error
    }
  }

  /** The next record comes from a producer that has sent nothing before. */
  async changeProducer(): Promise<void> {
    await this.#producer?.close()
    this.#producer = undefined
  }

  /** Everything that the topic holds, partition by partition. */
  async records(): Promise<readonly IncomingRecord[]> {
    const reader = createReader(this.#client)
    const records: IncomingRecord[] = []
    for (const [partition, end] of (await this.logEnds()).entries()) {
      let fromOffset = await this.admin.listOffsets({
        topic: this.topic,
        partition,
        timestamp: 'earliest',
      })
      while (fromOffset < end) {
        const fetched = await reader.fetch({ topic: this.topic, partition, fromOffset, ...FETCH })
        records.push(...fetched.records)
        fromOffset = fetched.nextOffset
      }
    }
    await reader.close()
    return records
  }

  /** Of each partition, the offset behind its last record. */
  async logEnds(): Promise<readonly number[]> {
    const count = (await this.admin.partitionCount(this.topic)) ?? 0
    return Promise.all(
      Array.from({ length: count }, (_, partition) =>
        this.admin.listOffsets({ topic: this.topic, partition, timestamp: 'latest' }),
      ),
    )
  }

  /** Sets the offsets that a group has committed back; it must have no members. */
  async resetGroup(groupId: string, offset: number): Promise<void> {
    const cluster = createClusterAdmin(this.#client)
    const partitions = (await this.logEnds()).map((_end, partition) => ({
      topic: this.topic,
      partition,
      offset,
    }))
    await cluster.commitOffsets(groupId, partitions)
    await cluster.close()
  }

  async configureTopic(configs: Readonly<Record<string, string>>): Promise<void> {
    const cluster = createClusterAdmin(this.#client)
    const changes = Object.entries(configs).map(([name, value]) => ({
      name,
      op: 'set' as const,
      value,
    }))
    await cluster.alterConfigs({ type: 'topic', name: this.topic }, changes, {
      validateOnly: false,
    })
    await cluster.close()
  }

  /** Next offsets by partition, as the database has them. */
  async checkpoints(projection: string, version = 1): Promise<ReadonlyMap<number, number>> {
    const { rows } = await this.pool.query<{ part: number; next: string }>(
      `select c.part, c.next_offset as next from evt.checkpoint c
       join evt.projection p on p.id = c.projection_id where p.name = $1 and c.version = $2`,
      [projection, version],
    )
    return new Map(rows.map(({ part, next }) => [part, Number(next)]))
  }

  /** Waits until the projection is at the end of every partition. */
  async caughtUp(
    projection: string,
    { version = 1, deadlineMs = CATCH_UP_DEADLINE_MS } = {},
  ): Promise<void> {
    await waitFor(
      `${projection} v${version} to be at the end of its topic`,
      deadlineMs,
      async () => {
        const checkpoints = await this.checkpoints(projection, version).catch(() => undefined)
        if (checkpoints === undefined) return false
        const ends = await this.logEnds()
        return ends.every((end, partition) => (checkpoints.get(partition) ?? 0) >= end)
      },
    )
  }

  /** Sum over the series of a metric whose labels have all of `labels`. */
  async metric(
    app: RunningApp,
    name: string,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const text = await (await fetch(`${app.url}/metrics`)).text()
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
    const lines = text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => wanted.every((label) => line.includes(label)))
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  /** Waits until a metric has a value: what the database shows, the process counts a moment later. */
  async hasMetric(
    app: RunningApp,
    name: string,
    value: number,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    let seen = Number.NaN
    await waitFor(`${name} to be ${value}`, 60_000, async () => {
      seen = await this.metric(app, name, labels)
      return seen === value
    }).catch((error: unknown) => {
      throw new Error(`${name} is ${seen}`, { cause: error })
    })
  }

  /** Health checks by name: `ok`, or what is the matter. */
  async health(app: RunningApp): Promise<Readonly<Record<string, string>>> {
    if (app.logField('httpPort') === undefined) return {}
    const response = await fetch(`${app.url}/readyz`).catch(() => undefined)
    if (response === undefined) return {}
    return ((await response.json()) as { checks: Record<string, string> }).checks
  }

  /** Waits until a health check of the app matches. */
  async hasHealth(app: RunningApp, check: string, pattern: RegExp): Promise<void> {
    await waitFor(`${check} to be ${pattern}`, 60_000, async () =>
      pattern.test((await this.health(app))[check] ?? ''),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#apps].map((app) => app.stop('SIGKILL')))
    await this.changeProducer()
    await this.admin.close()
    await this.pool.end()
    await this.registry.stop()
    await this.#broker?.stop()
    await this.postgres.stop()
    await rm(this.directory, { recursive: true, force: true })
  }

  get #client() {
    return { bootstrapServers: [this.bootstrapServers], clientId: 'e2e' }
  }

  #launch(entry: string, config: Config, env: Readonly<Record<string, string>> = {}): RunningApp {
    const app = RunningApp.launch(entry, config, env)
    this.#apps.add(app)
    return app
  }

  get #eventSets(): readonly AnyEvents[] {
    return [this.#options.events, ...(this.#options.otherEvents ?? [])]
  }

  async #registerSchemas(): Promise<ReadonlyMap<string, AvroEncoder>> {
    const registry = createRegistryClient({ url: this.registry.url })
    const serde = createAvroSerde({ registry })
    const encoders = new Map<string, AvroEncoder>()
    for (const { topic, definitions } of this.#eventSets) {
      for (const [type, definition] of Object.entries(definitions)) {
        const subject = `${topic}-${definition.namespace}.${definition.name}`
        encoders.set(type, await serde.encoder(subject, { schema: JSON.stringify(definition) }))
      }
    }
    return encoders
  }
}

async function startPostgres(
  dataDirectory: string,
  settings: Readonly<Record<string, string>> | undefined,
) {
  const postgres = await startEmbeddedPostgres({
    dataDirectory,
    port: await freePort(),
    ...(settings === undefined ? {} : { settings }),
  })
  await migrate({ url: postgres.url, directory: join(ROOT, 'sql/migrations') })
  return postgres
}

async function startBroker(options: StackOptions) {
  const { bootstrapServers } = options
  if (bootstrapServers !== undefined) {
    return {
      broker: undefined,
      registry: await RegistryProcess.start(bootstrapServers),
    }
  }
  const broker = await startTestedBroker({ ...BROKER_SETTINGS, ...options.broker })
  try {
    return { broker, registry: await RegistryProcess.start(broker.address) }
  } catch (error) {
    await broker.stop()
    throw error
  }
}
