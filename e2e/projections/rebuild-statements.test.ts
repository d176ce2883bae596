import { expect, test } from 'vitest'
import type { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { foldAccounts } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'
import { blockCheckpoints, installBlocks, isWaiting } from './rebuild-blocks.ts'
import { deposits, hasState, rebuildOf, release, startStack, stateOf } from './rebuild-stack.ts'

const EVENTS = 3_000
const POISONED = 'account-5'
/** Several transactions of statements. */
const SMALL_PORTIONS = { 'batch.records.max': 500 }

type Kind = {
  readonly name: string
  /** Columns, as the oracle names them. */
  readonly columns: string
  readonly isPoisonParked: boolean
}

const KINDS: readonly Kind[] = [
  { name: 'turnover', columns: 'id, events, trail', isPoisonParked: true },
  { name: 'tally', columns: 'id, events, balance', isPoisonParked: false },
]

test.for(KINDS)(
  'a rebuild of $name is killed while it loads by statements, before and behind a commit, and ends right',
  async (kind) => {
    await using stack = await startStack()
    await publishHistory(stack, kind)
    const live = release(stack, `${kind.name}:1`)
    await stack.caughtUp(kind.name)
    await installBlocks(stack)
    const code = `${kind.name}:2`

    for (const when of ['always', 'there are some'] as const) {
      const unblock = await blockCheckpoints(stack, 2, { when })
      const killed = release(stack, code, SMALL_PORTIONS)
      await waitFor(`checkpoints to be written when ${when}`, 60_000, () => isWaiting(stack))
      expect(await rebuildOf(stack, 2)).toMatchObject({ state: 'running', phase: 'loading' })
      await killed.stop('SIGKILL')
      await unblock()
      expect(await stateOf(stack, 2, kind.name)).toBe('building')
      const read = [...(await stack.checkpoints(kind.name, 2)).values()]
      const readCount = read.reduce((sum, next) => sum + next, 0)
      expect(readCount > 0).toBe(when === 'there are some')
      expect(readCount).toBeLessThan(EVENTS)
    }
    release(stack, code, SMALL_PORTIONS)
    await hasState(stack, 2, ['ready'], kind.name)
    await stack.caughtUp(kind.name, { version: 2 })
    const expected = await expectedOf(stack, kind)
    for (const version of [1, 2]) {
      expect(await rowsOf(stack, kind, version)).toEqual(expected.rows)
      expect(await lettersOf(stack, version)).toEqual(expected.letters)
    }
    expect(live.isRunning).toBe(true)
  },
)

/** With poison in the middle, where its kind has any. All events have ids. */
async function publishHistory(stack: ProjectionStack, { isPoisonParked }: Kind): Promise<void> {
  const poison = isPoisonParked ? [AccountEvents.Deposited({ accountId: POISONED, amount: 0 })] : []
  const half = EVENTS / 2
  const records = await stack.encode(...deposits(half), ...poison, ...deposits(half, half))
  await stack.publishRaw(
    ...records.map(({ headers = [], ...record }, index) => ({
      ...record,
      headers: [...headers, ['id', Buffer.from(`event-${index}`)] as const],
    })),
  )
}

async function expectedOf(stack: ProjectionStack, { columns }: Kind) {
  const { rows, letters } = await foldAccounts(stack)
  const names = columns.split(', ') as readonly (keyof (typeof rows)[number])[]
  return {
    rows: rows.map((row) => names.map((name) => String(row[name]))),
    letters: [...letters].map(([at, kind]) => `${at} ${kind}`).toSorted(),
  }
}

async function rowsOf(stack: ProjectionStack, { name, columns }: Kind, version: number) {
  const { rows } = await stack.pool.query<Readonly<Record<string, unknown>>>(
    `select ${columns} from rm_${name}_v${version}.${name} order by id collate "C"`,
  )
  return rows.map((row) => Object.values(row).map(String))
}

async function lettersOf(stack: ProjectionStack, version: number): Promise<readonly string[]> {
  const { rows } = await stack.pool.query<{ letter: string }>(
    `select part || '@' || log_offset || ' ' || kind as letter from evt.dead_letter
     where version = $1`,
    [version],
  )
  return rows.map(({ letter }) => letter).toSorted()
}
