import { type Shape, SHAPES, depositSet } from './accounts.ts'
import { deposits } from './deposits.ts'
import { encodeBatches, upsertBatches } from './raw-upsert.ts'
import {
  CATCH_UP_BATCH_EVENTS,
  PARTITIONS,
  type Measured,
  type ProjectionStack,
  hashOf,
  withClient,
} from './stack.ts'
import { type BenchRow, median } from '../report.ts'

const RATIO_MIN = 0.5
const EXACTNESS_RATIO_MIN = 0.95

/**
 * Each shape of keys: a fold from the broker into Postgres, exactly once, against the bare upsert of
 * the rows that the same batches fold to, encoded before the clock starts; and that upsert with a
 * checkpoint in its transaction against the same without.
 */
export async function* benchLive(
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
  const { fold } = depositSet(shape)
  const logs = await stack.publish(shape, (events) =>
    deposits(events, { shape, count: eventCount, partitions: PARTITIONS }),
  )
  const batches = encodeBatches(fold, logs, CATCH_UP_BATCH_EVENTS)
  const bare: number[] = []
  const exact: number[] = []
  const live: Measured[] = []
  for (let round = 0; round < rounds; round += 1) {
    const databaseUrl = await stack.createDatabase()
    const rate = async (table: string, hasCheckpoint: boolean) =>
      eventCount / (await upsertBatches(databaseUrl, fold, batches, { table, hasCheckpoint }))
    bare.push(await rate('public.raw_bare', false))
    live.push(await stack.project(databaseUrl, { set: shape, form: 'fold', eventCount }))
    exact.push(await rate('public.raw_exact', true))
    await checkRows(databaseUrl, ['public.account', 'public.raw_bare', 'public.raw_exact'])
  }
  const baseline = `${shape} keys: bare upsert of the folded rows`
  const row = (name: string, rates: readonly number[]): BenchRow => ({
    name: `${shape} keys: ${name}`,
    rate: median(rates),
    range: [Math.min(...rates), Math.max(...rates)],
    unit: 'events/s',
  })
  const usage = live.at(-1)?.usage
  return [
    row('bare upsert of the folded rows', bare),
    {
      ...row('the same with a checkpoint', exact),
      baseline,
      bar: { atLeast: EXACTNESS_RATIO_MIN },
    },
    {
      ...row(
        'projector, from the broker',
        live.map(({ rate }) => rate),
      ),
      baseline,
      bar: { atLeast: RATIO_MIN },
      ...(usage === undefined ? {} : { usage }),
    },
  ]
}

async function checkRows(databaseUrl: string, tables: readonly string[]): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    const hashes = new Set<string>()
    for (const table of tables) hashes.add(await hashOf(client, table))
    if (hashes.size !== 1) throw new Error(`the rows of ${tables.join(', ')} differ`)
  })
}
