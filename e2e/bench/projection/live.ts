import { type Shape, SHAPES, depositSet } from './accounts.ts'
import { type Deposits, deposits } from './deposits.ts'
import { type Commit, encodeBatches, inTurns, upsertBatches } from './raw-upsert.ts'
import {
  BATCH_EVENTS,
  CATCH_UP_BATCH_EVENTS,
  PARTITIONS,
  type Measured,
  type ProjectionStack,
  hashOf,
  secondsBetween,
  withClient,
} from './stack.ts'
import { type BenchRow, median } from '../report.ts'

const RATIO_MIN = 0.5
const EXACTNESS_RATIO_MIN = 0.95
/** Before the projector, and in the other order after it. */
const COMMITS: readonly Commit[] = ['alone', 'transaction', 'checkpoint']

/**
 * Each shape of keys: a fold from the broker into Postgres, exactly once, against the bare upsert of
 * the rows that the same batches fold to, encoded before the clock starts, on as many connections as there are
 * partitions, and, to tell what those give, on a single one; and what exactness costs, which is a
 * transaction of that upsert with a checkpoint in it against the same without. Held to the number of events that a batch has by default,
 * which is what the bar is for, and in batches as a projector that is far behind makes them.
 */
export async function* benchLive(
  stack: ProjectionStack,
  options: { readonly eventCount: number; readonly rounds: number },
): AsyncIterable<readonly BenchRow[]> {
  for (const shape of SHAPES) {
    const { eventCount } = options
    const logs = await stack.publish(shape, (events) =>
      deposits(events, { shape, count: eventCount, partitions: PARTITIONS }),
    )
    for (const batchEvents of [BATCH_EVENTS, CATCH_UP_BATCH_EVENTS]) {
      yield await benchShape(stack, { ...options, shape, batchEvents, logs })
    }
  }
}

type ShapeOptions = {
  readonly shape: Shape
  readonly logs: Deposits
  readonly batchEvents: number
  readonly eventCount: number
  readonly rounds: number
}

async function benchShape(
  stack: ProjectionStack,
  { shape, logs, batchEvents, eventCount, rounds }: ShapeOptions,
): Promise<readonly BenchRow[]> {
  const { fold } = depositSet(shape)
  const batches = encodeBatches(fold, logs, batchEvents)
  const rates: Record<Commit, number[]> = { alone: [], transaction: [], checkpoint: [] }
  const bareSeconds: number[] = []
  const oneConnectionRates: number[] = []
  const live: Measured[] = []
  for (let round = 0; round < rounds; round += 1) {
    const databaseUrl = await stack.createDatabase()
    const tables = ['public.account']
    const upsert = async (commit: Commit): Promise<void> => {
      const table = `public.raw_${tables.length}`
      const before = stack.serverSeconds()
      const seconds = await upsertBatches(databaseUrl, fold, batches, { table, commit })
      rates[commit].push(eventCount / seconds)
      tables.push(table)
      if (commit === 'alone') {
        bareSeconds.push(secondsBetween(before, stack.serverSeconds()).postgres)
      }
    }
    for (const commit of COMMITS) await upsert(commit)
    const singleTable = `public.raw_${tables.length}`
    const singleTarget = { table: singleTable, commit: 'alone' } as const
    const singleSeconds = await upsertBatches(databaseUrl, fold, inTurns(batches), singleTarget)
    oneConnectionRates.push(eventCount / singleSeconds)
    tables.push(singleTable)
    await withClient(databaseUrl, (client) => client.query('checkpoint'))
    live.push(
      await stack.project(databaseUrl, { set: shape, form: 'fold', eventCount, batchEvents }),
    )
    for (const commit of COMMITS.toReversed()) await upsert(commit)
    await checkRows(databaseUrl, tables)
  }
  const of = `${shape} keys, batches of ${batchEvents}`
  const baseline = `${of}: bare upsert of the folded rows`
  const row = (name: string, rates: readonly number[], unit = 'events/s'): BenchRow => ({
    name: `${of}: ${name}`,
    rate: median(rates),
    range: [Math.min(...rates), Math.max(...rates)],
    unit,
  })
  const microsOf = (name: string, seconds: readonly number[]): BenchRow =>
    row(
      name,
      seconds.map((each) => (each * 1e6) / eventCount),
      'CPU µs/event',
    )
  const usage = live.at(-1)?.usage
  return [
    row('bare upsert of the folded rows', rates.alone),
    { ...row('the same on one connection', oneConnectionRates), baseline },
    row('the same in a transaction', rates.transaction),
    {
      ...row('the same with a checkpoint', rates.checkpoint),
      baseline: `${of}: the same in a transaction`,
      ...(batchEvents === BATCH_EVENTS ? { bar: { atLeast: EXACTNESS_RATIO_MIN } } : {}),
    },
    {
      ...row(
        'projector, from the broker',
        live.map(({ rate }) => rate),
      ),
      baseline,
      ...(batchEvents === BATCH_EVENTS ? { bar: { atLeast: RATIO_MIN } } : {}),
      ...(usage === undefined ? {} : { usage }),
    },
    microsOf('Postgres, bare upsert', bareSeconds),
    {
      ...microsOf(
        'Postgres, projector',
        live.map(({ servers }) => servers.postgres),
      ),
      baseline: `${of}: Postgres, bare upsert`,
    },
    microsOf(
      'broker',
      live.map(({ servers }) => servers.broker),
    ),
    microsOf(
      'projector',
      live.map(({ usage: { cpuSeconds } }) => cpuSeconds),
    ),
  ]
}

async function checkRows(databaseUrl: string, tables: readonly string[]): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    const hashes = new Set<string>()
    for (const table of tables) hashes.add(await hashOf(client, table))
    if (hashes.size !== 1) throw new Error(`the rows of ${tables.join(', ')} differ`)
  })
}
