import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fairlead } from '../support/cli.ts'
import { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { AccountEvents } from './accounts.ts'

type Row = { readonly id: string; readonly balance: number }

async function balances(stack: ProjectionStack): Promise<Readonly<Record<string, number>>> {
  const { rows } = await stack.pool.query<Row>('select id, balance from public.account_of_tenant')
  return Object.fromEntries(rows.map(({ id, balance }) => [id, balance]))
}

test('what one tenant breaks holds up nothing of another, under the same key', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts-of-tenants.ts'),
  })
  const app = stack.projector({ 'tenant.header': 'tenant' })
  const send = async (tenant: string, amount: number) => {
    const [record] = await stack.encode(AccountEvents.Deposited({ accountId: 'a', amount }))
    const header = ['tenant', Buffer.from(tenant)] as const
    await stack.publishRaw({ ...record, headers: [...(record?.headers ?? []), header] })
  }
  const caughtUp = () => stack.caughtUp('accounts_of_tenants')
  await send('acme', 0)
  await send('other', 5)
  await send('acme', 7)
  await send('other', 6)
  await caughtUp()
  expect(await balances(stack)).toEqual({ 'other/a': 11 })
  const letters = await stack.pool.query(
    `select l.tenant, l.key, l.kind from evt.dead_letter l join evt.projection p
     on p.id = l.projection_id where p.name = 'accounts_of_tenants' order by log_offset`,
  )
  expect(letters.rows).toEqual([
    { tenant: 'acme', key: 'acme/a', kind: 'failed' },
    { tenant: 'acme', key: 'acme/a', kind: 'blocked' },
  ])

  await send('other', 0)
  await caughtUp()
  const discarded = await fairlead([
    'dlq',
    'discard',
    'accounts_of_tenants',
    '--tenant',
    'acme',
    '--reason',
    'acme is erased',
    '--yes',
    '--json',
    '--projector',
    app.url,
  ])
  expect(JSON.parse(discarded.stdout)).toEqual({ discarded: 2 })
  await waitFor('the key of acme to be released', 60_000, async () => {
    const { rows } = await stack.pool.query<{ key: string }>(
      `select k.key from evt.parked_key k join evt.projection p on p.id = k.projection_id
       where p.name = 'accounts_of_tenants'`,
    )
    return rows.length === 1 && rows[0]?.key === 'other/a'
  })
  await send('acme', 3)
  await caughtUp()
  expect(await balances(stack)).toEqual({ 'other/a': 11, 'acme/a': 3 })
})

test('rows of one tenant are folded anew, and those of another stay as they are', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts-of-tenants.ts'),
  })
  const app = stack.projector({ 'tenant.header': 'tenant' })
  const send = async (tenant: string, ...amounts: readonly number[]) => {
    const events = amounts.map((amount) => AccountEvents.Deposited({ accountId: 'a', amount }))
    const header = ['tenant', Buffer.from(tenant)] as const
    const records = await stack.encode(...events)
    await stack.publishRaw(
      ...records.map((record) => ({ ...record, headers: [...(record.headers ?? []), header] })),
    )
    await stack.caughtUp('accounts_of_tenants')
  }
  await send('acme', 1, 2)
  await send('other', 5, 6)
  await stack.pool.query('update rm_accounts_of_tenants_v1.account_of_tenant set balance = 99')
  const rebuilt = await fairlead([
    'projection',
    'rebuild',
    'accounts_of_tenants',
    '--key',
    'acme/a',
    '--yes',
    '--projector',
    app.url,
  ])
  expect(rebuilt.exitCode, rebuilt.stderr).toBe(0)
  expect(await balances(stack)).toEqual({ 'acme/a': 3, 'other/a': 99 })
  await send('acme', 4)
  await send('other', 1)
  expect(await balances(stack)).toEqual({ 'acme/a': 7, 'other/a': 100 })
})

test('what fails for one tenant in numbers is parked, and nobody waits for him', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts-of-tenants.ts'),
  })
  const app = stack.projector({ 'tenant.header': 'tenant', 'parked.keys.per.minute.max': 5 })
  const send = async (tenant: string, count: number, amount: number) => {
    const events = Array.from({ length: count }, (_, index) =>
      AccountEvents.Deposited({ accountId: `a${index}`, amount }),
    )
    const header = ['tenant', Buffer.from(tenant)] as const
    const records = await stack.encode(...events)
    await stack.publishRaw(
      ...records.map((record) => ({ ...record, headers: [...(record.headers ?? []), header] })),
    )
  }
  await send('acme', 40, 0)
  await send('other', 40, 1)
  await stack.caughtUp('accounts_of_tenants')
  expect(Object.keys(await balances(stack))).toHaveLength(40)
  const parked = await stack.pool.query<{ tenant: string; count: number }>(
    'select tenant, count(*)::int as count from evt.parked_key group by tenant',
  )
  expect(parked.rows).toEqual([{ tenant: 'acme', count: 40 }])
  await waitFor('the flood to be counted', 60_000, async () => {
    return (await stack.metric(app, 'projection_errors_total', { error_class: 'flood' })) > 0
  })

  // For two tenants it is the fault of the projection.
  await send('third', 40, 0)
  await stack.hasHealth(app, 'projection accounts_of_tenants v1', /keys for one cause/)
})
