import { join } from 'node:path'
import { createPool } from '@fairlead/postgres'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { AccountEvents } from './accounts.ts'

const TENANTS = ['acme', 'globex', 'initech'] as const
const EVENTS = 600
const KEYS = 5

/** Deposits of tenants in turn, under the same keys. */
async function publishDeposits(stack: ProjectionStack): Promise<void> {
  const events = Array.from({ length: EVENTS }, (_, index) =>
    AccountEvents.Deposited({ accountId: `a${index % KEYS}`, amount: index + 1 }),
  )
  const records = await stack.encode(...events)
  await stack.publishRaw(
    ...records.map((record, index) => ({
      ...record,
      headers: [
        ...(record.headers ?? []),
        ['tenant', Buffer.from(TENANTS[index % TENANTS.length] ?? '')] as const,
      ],
    })),
  )
}

/** Sum of the balances of a tenant. */
function sumOf(tenant: string): number {
  return Array.from({ length: EVENTS }, (_, index) => index)
    .filter((index) => TENANTS[index % TENANTS.length] === tenant)
    .reduce((sum, index) => sum + index + 1, 0)
}

const SUM = 'select sum(balance)::int as sum, sum(events)::int as events from'
const expectedOf = (tenant: string) => [{ sum: sumOf(tenant), events: EVENTS / TENANTS.length }]

test('a schema for each tenant: killed again and again, each event is applied once', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts-apart.ts'),
    partitions: 2,
  })
  const config = { 'tenant.header': 'tenant', 'batch.records.max': 20 }
  await publishDeposits(stack)
  for (const count of [100, 350]) {
    const app = stack.projector(config)
    await waitFor('some batches to be applied', 60_000, async () => {
      const checkpoints = await stack.checkpoints('accounts').catch(() => new Map<number, number>())
      return [...checkpoints.values()].reduce((sum, next) => sum + next, 0) >= count
    })
    await app.stop('SIGKILL')
  }
  stack.projector(config)
  await stack.caughtUp('accounts')
  for (const tenant of TENANTS) {
    const { rows } = await stack.pool.query(`${SUM} tenant_${tenant}.account`)
    expect(rows).toEqual(expectedOf(tenant))
  }
})

test('a database for each tenant: each has its own checkpoints, and nothing of the others', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
    partitions: 2,
  })
  await publishDeposits(stack)
  for (const tenant of TENANTS) {
    await stack.pool.query(`create database ${tenant}`)
    const url = new URL(stack.postgres.url)
    url.pathname = `/${tenant}`
    const app = stack.projector({
      'database.url': url.href,
      'group.id': `projector-${tenant}`,
      'tenant.header': 'tenant',
      'tenants.include': tenant,
    })
    const pool = createPool({ url: url.href, max: 1, applicationName: 'test' })
    try {
      await waitFor(`the database of ${tenant} to be at the end`, 60_000, async () => {
        const { rows } = await pool
          .query<{ sum: number }>('select sum(next_offset)::int as sum from evt.checkpoint')
          .catch(() => ({ rows: [] }))
        return rows[0]?.sum === EVENTS
      })
      expect((await pool.query(`${SUM} public.account`)).rows).toEqual(expectedOf(tenant))
      // Events of others are no events here, and hold nobody up.
      expect((await pool.query('select from evt.dead_letter')).rows).toEqual([])
    } finally {
      await pool.end()
      await app.stop()
    }
  }
})
