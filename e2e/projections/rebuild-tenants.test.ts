import { expect, test } from 'vitest'
import type { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { AccountEvents, nextTrail } from './accounts.ts'
import { blockCheckpoints, installBlocks, isWaiting } from './rebuild-blocks.ts'
import { hasState, release, startStack, stateOf } from './rebuild-stack.ts'

const TENANTS = ['acme', 'globex', 'initech'] as const
const EVENTS = 6_000
const KEYS = 1_999
const SMALL_BATCH = 100
const CODE = { 'tenant.header': 'tenant' }
/** Less than half of the rows. */
const LIMITED = { ...CODE, 'rebuild.memory.bytes.max': 1_048_576, 'fetch.bytes.max': 1 }

const tenantOf = (index: number): string => TENANTS[index % TENANTS.length] ?? ''
const accountOf = (index: number): string => `account-${index % KEYS}`
const amountOf = (index: number): number => (index % 89) + 1

test('a rebuild of schemas of tenants is killed before and behind a commit, and ends right', async () => {
  await using stack = await startStack()
  await publishDeposits(stack)
  const live = release(stack, 'accounts:1=apart', CODE)
  await stack.caughtUp('accounts')
  await installBlocks(stack)
  for (const when of ['always', 'there are some'] as const) {
    const unblock = await blockCheckpoints(stack, 2, { when })
    const killed = release(stack, 'accounts:2=apart', LIMITED)
    await waitFor(`checkpoints to be written when ${when}`, 60_000, () => isWaiting(stack))
    await killed.stop('SIGKILL')
    await unblock()
    expect(await stateOf(stack, 2)).toBe('building')
    const { size } = await stack.checkpoints('accounts', 2)
    expect(size > 0).toBe(when === 'there are some')
  }
  release(stack, 'accounts:2=apart', LIMITED)
  await hasState(stack, 2, ['ready'])
  for (const version of [1, 2]) {
    for (const tenant of TENANTS) {
      expect(await rowsOf(stack, version, tenant), `v${version}, ${tenant}`).toEqual(
        expectedOf(tenant),
      )
    }
  }
  expect(live.isRunning).toBe(true)
})

/** Of tenants in turn, under the same keys, in batches of the log that a fetch can take one by one. */
async function publishDeposits(stack: ProjectionStack): Promise<void> {
  for (let from = 0; from < EVENTS; from += SMALL_BATCH) {
    const indexes = Array.from({ length: SMALL_BATCH }, (_, index) => from + index)
    const records = await stack.encode(
      ...indexes.map((index) =>
        AccountEvents.Deposited({ accountId: accountOf(index), amount: amountOf(index) }),
      ),
    )
    await stack.publishRaw(
      ...records.map(({ headers = [], ...record }, index) => ({
        ...record,
        headers: [...headers, ['tenant', Buffer.from(tenantOf(from + index))] as const],
      })),
    )
  }
}

type Row = { readonly id: string; readonly events: number; readonly trail: string }

/** Found out without the engine. */
function expectedOf(tenant: string): readonly Row[] {
  const rows = new Map<string, { readonly events: number; readonly trail: bigint }>()
  for (let index = 0; index < EVENTS; index += 1) {
    if (tenantOf(index) !== tenant) continue
    const { events, trail } = rows.get(accountOf(index)) ?? { events: 0, trail: 0n }
    rows.set(accountOf(index), { events: events + 1, trail: nextTrail(trail, amountOf(index)) })
  }
  return [...rows]
    .map(([id, { events, trail }]) => ({ id, events, trail: String(trail) }))
    .sort((one, other) => (one.id < other.id ? -1 : 1))
}

async function rowsOf(
  stack: ProjectionStack,
  version: number,
  tenant: string,
): Promise<readonly Row[]> {
  const { rows: schemas } = await stack.pool.query<{ name: string }>(
    `select s.schema_name as name from evt.tenant_schema s join evt.tenant t on t.id = s.tenant_id
     where s.version = $1 and t.name = $2`,
    [version, tenant],
  )
  const { rows } = await stack.pool.query<Row>(
    `select id, events, trail::text from ${schemas[0]?.name}.account order by id collate "C"`,
  )
  return rows
}
