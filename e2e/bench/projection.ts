import { join } from 'node:path'
import { migrate } from '@fairlead/postgres'
import pg from 'pg'
import { ROOT } from '../support/platform.ts'
import { RunningApp } from '../support/running-app.ts'
import { orderEvents, publish } from './order-events.ts'
import { OrderEvents } from '../../examples/shop/src/events.ts'
import { projections } from './order-summary.ts'
import { encodeBatches, upsertBatches } from './raw-upsert.ts'
import { poll } from './poll.ts'
import { type BenchRow, median } from './report.ts'
import { createTopic, startBroker, startPostgres, temporaryDirectory } from './services.ts'
import { type Usage, usageBetween, usageOf } from './usage.ts'

const [orderSummary] = projections
const ORDER_COUNT = 66_000
const PARTITIONS = 4
/** The default of `batch.records.max`. */
const BATCH_EVENTS = 2_000
const ROUNDS = 3
const CHECKPOINT_POLL_MS = 5

type Endpoints = {
  readonly databaseUrl: string
  readonly broker: string
  readonly registry: string
}

/** Events through a fold into Postgres, against the bare upsert of the same rows. */
export async function benchProjection(): Promise<readonly BenchRow[]> {
  using directory = await temporaryDirectory()
  await using postgres = await startPostgres(join(directory.path, 'postgres'))
  await using broker = await startBroker(join(directory.path, 'kafka'), 'group')
  await using registry = await RunningApp.start('apps/registry/src/main.ts', {
    'kafkastore.bootstrap.servers': broker.address,
  })
  const partitions = orderEvents(ORDER_COUNT, PARTITIONS)
  const eventCount = partitions.flat().length
  await createTopic(broker, OrderEvents.topic, PARTITIONS)
  await publish(partitions, { broker: broker.address, registry: registry.url })
  const batches = encodeBatches(orderSummary, partitions, BATCH_EVENTS)

  const rates: number[] = []
  const baselineRates: number[] = []
  let usage: Usage | undefined
  for (let round = 0; round < ROUNDS; round += 1) {
    const databaseUrl = await createDatabase(postgres.url, `round_${round}`)
    const seconds = await upsertBatches(databaseUrl, orderSummary, batches)
    baselineRates.push(eventCount / seconds)
    const endpoints = { databaseUrl, broker: broker.address, registry: registry.url }
    const projected = await project(endpoints, `bench-${round}`, eventCount)
    rates.push(projected.rate)
    usage = projected.usage
  }
  const baseline = 'raw unnest upsert of the folded rows'
  const unit = 'events/s'
  return [
    { name: baseline, rate: median(baselineRates), unit },
    {
      name: 'projector, fold with checkpoints',
      rate: median(rates),
      unit,
      baseline,
      ...(usage === undefined ? {} : { usage }),
    },
  ]
}

/** From the first checkpoint to the last: without the start of the process and its joining a group. */
async function project(
  endpoints: Endpoints,
  groupId: string,
  eventCount: number,
): Promise<{ readonly rate: number; readonly usage: Usage }> {
  await migrate({ url: endpoints.databaseUrl, directory: join(ROOT, 'sql/migrations') })
  const client = new pg.Client({ connectionString: endpoints.databaseUrl })
  await client.connect()
  await using app = RunningApp.launch('apps/projector/src/main.ts', {
    'database.url': endpoints.databaseUrl,
    'bootstrap.servers': endpoints.broker,
    'schema.registry.url': endpoints.registry,
    'group.id': groupId,
    projections: join(import.meta.dirname, 'order-summary.ts'),
    'batch.records.max': BATCH_EVENTS,
  })
  try {
    const firstCount = await appliedAtLeast(client, 1)
    const before = usageOf(app.pid)
    const startedMs = performance.now()
    await appliedAtLeast(client, eventCount)
    const seconds = (performance.now() - startedMs) / 1_000
    const usage = usageBetween(before, usageOf(app.pid))
    return { rate: (eventCount - firstCount) / seconds, usage }
  } finally {
    await client.end()
  }
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

async function createDatabase(serverUrl: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  await client.query(`create database ${name}`)
  await client.end()
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}
