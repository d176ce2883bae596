import { deposits } from './deposits.ts'
import { emmettRate } from './emmett.ts'
import { PARTITIONS, type ProjectionStack, hashOf, withClient } from './stack.ts'
import { type BenchRow, median } from '../report.ts'

const EMMETT_RATIO_MIN = 3
/** One statement per event: a fraction of the events is enough, and takes long enough. */
const EVENT_SHARE = 0.02
const SET = 'sql'

/** Handlers in SQL, one statement per event, against the same by Emmett over its own event store. */
export async function* benchSqlHandlers(
  stack: ProjectionStack,
  { eventCount: fullCount, rounds }: { readonly eventCount: number; readonly rounds: number },
): AsyncIterable<readonly BenchRow[]> {
  const eventCount = Math.ceil(fullCount * EVENT_SHARE)
  const logs = await stack.publish(SET, (events) =>
    deposits(events, { shape: 'uniform', count: eventCount, partitions: PARTITIONS }),
  )
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const databaseUrl = await stack.createDatabase()
    theirs.push(await emmettRate(databaseUrl, logs.flat()))
    ours.push((await stack.project(databaseUrl, { set: SET, form: 'sql', eventCount })).rate)
    await withClient(databaseUrl, async (client) => {
      const hashes = [
        await hashOf(client, 'public.account_sql'),
        await hashOf(client, 'public.emmett_account'),
      ]
      if (hashes[0] !== hashes[1]) throw new Error('the rows of Emmett and of the projector differ')
    })
  }
  const baseline = 'Emmett 0.42.0, a statement per event'
  yield [
    { name: baseline, rate: median(theirs), unit: 'events/s' },
    {
      name: 'projector, SQL handlers',
      rate: median(ours),
      unit: 'events/s',
      baseline,
      bar: { atLeast: EMMETT_RATIO_MIN },
    },
  ]
}
