import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import { foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'

const PROJECTIONS = join(import.meta.dirname, 'accounts.ts')
const INTEGER_MAX = 2 ** 31 - 1

const start = (projections = PROJECTIONS): Promise<ProjectionStack> =>
  ProjectionStack.start({ events: AccountEvents, projections })

const deposit = (accountId: string, amount: number) =>
  AccountEvents.Deposited({ accountId, amount })

async function expectOracle(stack: ProjectionStack): Promise<void> {
  const expected = await foldAccounts(stack)
  expect(await readAccounts(stack)).toEqual(expected.rows)
  expect(await readLetters(stack)).toEqual(expected.letters)
}

/** What the handler refuses, and what the table does. */
const POISON = { handler: 0, table: INTEGER_MAX } as const

test.for([
  { cause: 'handler', at: [0] },
  { cause: 'handler', at: [50] },
  { cause: 'handler', at: [99] },
  { cause: 'table', at: [0] },
  { cause: 'table', at: [50] },
  { cause: 'table', at: [99] },
  { cause: 'handler', at: [10, 40, 71] },
  { cause: 'table', at: [10, 40, 71] },
] as const)(
  'poison of the $cause at $at of a batch: its keys are parked, all other keys go on',
  async ({ cause, at }) => {
    await using stack = await start()
    // Three poisons are of two keys: 10 and 40 are of the same one.
    const events = Array.from({ length: 100 }, (_, index) => {
      const isPoison = (at as readonly number[]).includes(index)
      return deposit(`account-${index % 10}`, isPoison ? POISON[cause] : index + 1)
    })
    const followers = Array.from({ length: 10 }, (_, index) => deposit(`account-${index}`, 5))
    await stack.publish(...events, ...followers)
    stack.projector()
    await stack.caughtUp('accounts')
    await expectOracle(stack)
    const kinds = [...(await readLetters(stack)).values()]
    expect(kinds.filter((kind) => kind === 'failed')).toHaveLength(at.length === 3 ? 2 : 1)
    expect(kinds).toContain('blocked')
  },
)

test.for([{ at: [0] }, { at: [50] }, { at: [99] }, { at: [10, 40, 71] }])(
  'poison at $at of SQL: what the others changed stays, and is there once',
  async ({ at }) => {
    await using stack = await start(join(import.meta.dirname, 'turnover.ts'))
    const events = Array.from({ length: 100 }, (_, index) =>
      deposit(`account-${index % 10}`, at.includes(index) ? 0 : index + 1),
    )
    const followers = Array.from({ length: 10 }, (_, index) => deposit(`account-${index}`, 5))
    await stack.publish(...events, ...followers)
    stack.projector()
    await stack.caughtUp('turnover')
    const expected = await foldAccounts(stack)
    const { rows } = await stack.pool.query<{ id: string; events: number; trail: string }>(
      'select id, events, trail from public.turnover order by id',
    )
    expect(rows).toEqual(
      expected.rows.map(({ id, events: count, trail }) => ({
        id,
        events: count,
        trail: `${trail}`,
      })),
    )
    expect(await readLetters(stack, 'turnover')).toEqual(expected.letters)
    expect(new Set(expected.letters.values())).toEqual(new Set(['failed', 'blocked']))
  },
)
