import { deposits } from './deposits.ts'
import type { Measured, ProjectionStack } from './stack.ts'
import { type BenchRow, median } from '../report.ts'

const EVENTS_MAX = 10_000
const CONCURRENCIES = [1, 16, 100] as const
const LANES_RATIO_MAX = 0.2
const SET = 'looked_up'

/** Events of one partition, for each of which another service is asked: 0 to 5 ms, by key. */
export async function* benchLookUps(
  stack: ProjectionStack,
  options: { readonly eventCount: number; readonly rounds: number },
): AsyncIterable<readonly BenchRow[]> {
  const eventCount = Math.min(EVENTS_MAX, options.eventCount)
  await stack.publish(SET, (events) =>
    deposits(events, { shape: 'local', count: eventCount, partitions: 1 }),
  )
  const runs = new Map<number, Measured[]>(CONCURRENCIES.map((each) => [each, []]))
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [concurrency, measured] of runs) {
      const run = { set: SET, form: 'look-ups', eventCount, concurrency } as const
      measured.push(await stack.project(await stack.createDatabase(), run))
    }
  }
  const nameOf = (concurrency: number): string =>
    concurrency === 1 ? 'one after the other' : `by key, ${concurrency} at a time`
  yield [...runs].map(([concurrency, measured]): BenchRow => {
    const row = {
      name: nameOf(concurrency),
      rate: median(measured.map(({ seconds }) => seconds)),
      unit: 's',
    }
    if (concurrency === 1) return row
    return { ...row, baseline: nameOf(1), bar: { atMost: LANES_RATIO_MAX } }
  })
}
