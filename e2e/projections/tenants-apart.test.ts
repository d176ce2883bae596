import { join } from 'node:path'
import { createPool } from '@fairlead/postgres'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { AccountEvents, nextTrail } from './accounts.ts'

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

/** A fold of the deposits of a tenant, in the order in which they were published. */
function rowsFor(tenant: string): readonly object[] {
  const rows = new Map<string, { id: string; events: number; balance: number; trail: bigint }>()
  for (let index = 0; index < EVENTS; index += 1) {
    if (TENANTS[index % TENANTS.length] !== tenant) continue
    const id = `a${index % KEYS}`
    const { events, balance, trail } = rows.get(id) ?? { events: 0, balance: 0, trail: 0n }
    const amount = index + 1
    const next = { balance: balance + amount, trail: nextTrail(trail, amount) }
    rows.set(id, { id, events: events + 1, ...next })
  }
  return [...rows.values()]
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((row) => ({ ...row, trail: String(row.trail) }))
}

async function rowsIn(pool: Pick<ProjectionStack['pool'], 'query'>, schema: string) {
  const { rows } = await pool.query<object>(
    `select id, events, balance, trail::text from ${schema}.account order by id`,
  )
  return rows
}

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
    expect(await rowsIn(stack.pool, `tenant_${tenant}`)).toEqual(rowsFor(tenant))
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
      expect(await rowsIn(pool, 'public')).toEqual(rowsFor(tenant))
      // Events of others are no events here, and hold nobody up.
      expect((await pool.query('select from evt.dead_letter')).rows).toEqual([])
    } finally {
      await pool.end()
      await app.stop()
    }
  }
})
