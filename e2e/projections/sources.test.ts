import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents, nextTrail } from './accounts.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

const start = (): Promise<ProjectionStack> =>
  ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
    partitions: 1,
    // Else the broker refuses what is an hour ahead.
    topicConfigs: { 'message.timestamp.after.max.ms': String(365 * DAY_MS) },
  })

type Session = Pick<ProjectionStack['pool'], 'query'>

/** Writes one deposit into the outbox of the database, as a service does. */
async function write(stack: ProjectionStack, session: Session, amount: number): Promise<void> {
  const [record] = await stack.encode(AccountEvents.Deposited({ accountId: 'a', amount }))
  await session.query(
    `insert into outbox.events (aggregatetype, aggregateid, type, payload)
     values ('account', 'a', 'Deposited', $1)`,
    [record?.value],
  )
}

async function published(stack: ProjectionStack, count: number): Promise<void> {
  await waitFor(`${count} events on the topic`, 60_000, async () => {
    return (await stack.logEnds())[0] === count
  })
  await stack.caughtUp('accounts')
}

test('transactions that interleave in the source are applied in the order of their commits', async () => {
  await using stack = await start()
  await stack.relayWithSlot()
  stack.projector()
  const [one, two] = [await stack.pool.connect(), await stack.pool.connect()]
  await one.query('begin')
  await write(stack, one, 1)
  await two.query('begin')
  await write(stack, two, 2)
  await two.query('commit')
  await write(stack, one, 3)
  await one.query('commit')
  one.release()
  two.release()
  await published(stack, 3)
  expect(await readAccounts(stack)).toEqual([
    { id: 'a', events: 3, balance: 6, trail: [2, 1, 3].reduce(nextTrail, 0n) },
  ])
})

test('what the relay publishes again after its crash is dropped by its position in the source', async () => {
  await using stack = await start()
  await stack.relayWithSlot()
  const app = stack.projector()
  for (let amount = 1; amount <= 30; amount += 1) await write(stack, stack.pool, amount)
  await published(stack, 30)
  const before = await readAccounts(stack)
  expect(before).toMatchObject([{ events: 30 }])

  // The same records, as a relay sends them that did not get to confirm them.
  const records = await stack.records()
  await stack.publishRaw(
    ...records.slice(-20).map(({ key, value, headers }) => ({ key, value, headers })),
  )
  await published(stack, 50)
  expect(await readAccounts(stack)).toEqual(before)
  await stack.hasMetric(app, 'projection_events_total', 20, { result: 'duplicate' })
  await write(stack, stack.pool, 31)
  await published(stack, 51)
  expect(await readAccounts(stack)).toMatchObject([{ events: 31 }])
})

test('clocks that jump change nothing; an event from beyond tomorrow is parked', async () => {
  await using stack = await start()
  const app = stack.projector()
  const [record] = await stack.encode(AccountEvents.Deposited({ accountId: 'a', amount: 5 }))
  const now = Date.now()
  const times = [now, now - HOUR_MS, now + DAY_MS - HOUR_MS, now, now - 30 * DAY_MS]
  await stack.publishRaw(...times.map((timestampMs) => ({ ...record, timestampMs })))
  await stack.caughtUp('accounts')
  expect(await readAccounts(stack)).toEqual((await foldAccounts(stack)).rows)
  expect(await readLetters(stack)).toEqual(new Map())
  await stack.hasMetric(app, 'projection_lag_seconds', 0)

  await stack.publishRaw({ ...record, key: Buffer.from('b'), timestampMs: now + 2 * DAY_MS })
  await stack.caughtUp('accounts')
  const { rows } = await stack.pool.query('select key, stage, error_message from evt.dead_letter')
  expect(rows).toMatchObject([
    { key: 'b', stage: 'decode', error_message: expect.stringMatching(/ahead of the clock/) },
  ])
})
