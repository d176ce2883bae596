import { deposits } from './deposits.ts'
import { PARTITIONS, type Measured, type ProjectionStack } from './stack.ts'
import { type BenchRow, median } from '../report.ts'

const POISON_SHARE = 0.01
const POISON_RATIO_MIN = 0.8
const KILLS = 10
const KILLS_RATIO_MAX = 1.15

/** One account in a hundred fails, and a projector that is killed ten times on its way. */
export async function* benchFaults(
  stack: ProjectionStack,
  { eventCount, rounds }: { readonly eventCount: number; readonly rounds: number },
): AsyncIterable<readonly BenchRow[]> {
  const publish = (set: string, poisonShare: number) =>
    stack.publish(set, (events) =>
      deposits(events, {
        shape: 'uniform',
        count: eventCount,
        partitions: PARTITIONS,
        poisonShare,
      }),
    )
  await publish('clean', 0)
  await publish('poison', POISON_SHARE)
  const run = async (set: string, kills: number, hasStandby = false): Promise<Measured> =>
    stack.project(await stack.createDatabase(), {
      set,
      form: 'fold',
      eventCount,
      kills,
      hasStandby,
    })
  const clean: Measured[] = []
  const poison: Measured[] = []
  const killed: Measured[] = []
  const relieved: Measured[] = []
  for (let round = 0; round < rounds; round += 1) {
    clean.push(await run('clean', 0))
    poison.push(await run('poison', 0))
    killed.push(await run('clean', KILLS))
    relieved.push(await run('clean', KILLS, true))
  }
  const rate = (runs: readonly Measured[]) => median(runs.map((one) => one.rate))
  const seconds = (runs: readonly Measured[]) => median(runs.map((one) => one.seconds))
  yield [
    { name: 'clean events', rate: rate(clean), unit: 'events/s' },
    {
      name: '1 % of the keys poison',
      rate: rate(poison),
      unit: 'events/s',
      baseline: 'clean events',
      bar: { atLeast: POISON_RATIO_MIN },
    },
  ]
  yield [
    { name: 'undisturbed', rate: seconds(clean), unit: 's' },
    {
      name: 'killed ten times',
      rate: seconds(killed),
      unit: 's',
      baseline: 'undisturbed',
      bar: { atMost: KILLS_RATIO_MAX },
    },
    {
      name: 'killed ten times, beside a standby',
      rate: seconds(relieved),
      unit: 's',
      baseline: 'undisturbed',
      bar: { atMost: KILLS_RATIO_MAX },
    },
  ]
}
