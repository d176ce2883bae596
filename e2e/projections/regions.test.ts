import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { AccountEvents } from './accounts.ts'
import { hasState } from './rebuild-stack.ts'
import { BranchEvents } from './regions.ts'

const REGIONS = ['north', 'east', 'south', 'west', 'centre']
const PARTITIONS = 4

type RegionRow = {
  readonly id: string
  readonly deposits: number
  readonly sum: string
  readonly largest: number
  readonly visits: number
}

const regionOf = (index: number): string => REGIONS[index % REGIONS.length] ?? ''

function eventsOf(from: number, to: number) {
  return Array.from({ length: to - from }, (_, at) => {
    const index = from + at
    return index % 3 === 0
      ? BranchEvents.Visited({ branchId: `branch-${index % 17}`, region: regionOf(index) })
      : AccountEvents.Deposited({
          accountId: `account-${index % 41}`,
          amount: index,
          note: regionOf(index),
        })
  })
}

/** Each event once, in whatever order. */
function expectedRows(count: number): readonly RegionRow[] {
  return REGIONS.toSorted().map((id) => {
    const indexes = Array.from({ length: count }, (_, index) => index).filter(
      (index) => regionOf(index) === id,
    )
    const amounts = indexes.filter((index) => index % 3 !== 0)
    const sum = String(amounts.reduce((total, amount) => total + amount, 0))
    const visits = indexes.length - amounts.length
    return { id, deposits: amounts.length, sum, largest: Math.max(...amounts), visits }
  })
}

async function rowsOf(stack: ProjectionStack, version: number): Promise<readonly RegionRow[]> {
  const { rows } = await stack.pool.query<RegionRow>(
    `select id, deposits, sum, largest, visits from rm_regions_v${version}.region order by id`,
  )
  return rows
}

/** What every partition of both topics has, is behind the checkpoints. */
async function applied(stack: ProjectionStack, version: number, count: number): Promise<void> {
  await waitFor(`${count} events of two topics to be applied`, 120_000, async () => {
    const { rows } = await stack.pool.query<{ sum: string }>(
      'select coalesce(sum(next_offset), 0) as sum from evt.checkpoint where version = $1',
      [version],
    )
    return Number(rows[0]?.sum) === count
  })
}

test('rows of two topics whose keys differ are the same live, after a kill, and rebuilt', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    otherEvents: [BranchEvents],
    projections: join(import.meta.dirname, 'regions.ts'),
    partitions: PARTITIONS,
  })
  const settings = { 'batch.records.max': 20 }
  const first = stack.projector(settings)
  await stack.publish(...eventsOf(0, 900))
  await waitFor('the first rows', 60_000, async () => {
    const { rows } = await stack.pool.query<{ count: number }>(
      'select count(*)::int as count from evt.checkpoint where next_offset > 0',
    )
    return (rows[0]?.count ?? 0) > 0
  })
  await first.stop('SIGKILL')
  stack.projector(settings)
  stack.projector(settings)
  await stack.publish(...eventsOf(900, 1_500))
  await applied(stack, 1, 1_500)
  expect(await rowsOf(stack, 1)).toEqual(expectedRows(1_500))

  stack.projector(settings, { VERSIONS: '2' })
  await hasState(stack, 2, ['ready'], 'regions')
  await stack.publish(...eventsOf(1_500, 1_800))
  await applied(stack, 2, 1_800)
  expect(await rowsOf(stack, 2)).toEqual(expectedRows(1_800))
  await applied(stack, 1, 1_800)
  expect(await rowsOf(stack, 1)).toEqual(expectedRows(1_800))
})
