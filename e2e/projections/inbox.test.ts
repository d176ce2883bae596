import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ProjectionStack, type RawRecord } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { type AccountRow, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents, nextTrail } from './accounts.ts'
import { hasState, rowsOf } from './rebuild-stack.ts'

const HOUR_MS = 3_600_000

const start = (partitions: number): Promise<ProjectionStack> =>
  ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts-inbox.ts'),
    partitions,
  })

/** An id of version 7, made at a moment. */
function idAt(timeMs: number): string {
  const time = timeMs.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

/** Deposits of 1, 2, … as a producer sends them that knows of no positions. */
async function foreignDeposits(
  stack: ProjectionStack,
  count: number,
  idOf: (index: number) => string,
): Promise<readonly RawRecord[]> {
  const events = Array.from({ length: count }, (_, index) =>
    AccountEvents.Deposited({ accountId: `account-${index % 7}`, amount: index + 1 }),
  )
  return (await stack.encode(...events)).map((record, index) => withId(record, idOf(index)))
}

function withId(record: RawRecord, id: string): RawRecord {
  return { ...record, headers: [...(record.headers ?? []), ['id', Buffer.from(id)]] }
}

function rowsOnce(count: number): readonly AccountRow[] {
  const rows = new Map<string, AccountRow>()
  for (let index = 0; index < count; index += 1) {
    const id = `account-${index % 7}`
    const { events, balance, trail } = rows.get(id) ?? { events: 0, balance: 0, trail: 0n }
    const amount = index + 1
    const next = { balance: balance + amount, trail: nextTrail(trail, amount) }
    rows.set(id, { id, events: events + 1, ...next })
  }
  return [...rows.values()]
}

test('a producer without positions that sends everything again, and a kill: each event counts once', async () => {
  await using stack = await start(3)
  const now = Date.now()
  // All kinds of ids: with a time in them, of today and of long ago, random ones, and plain text.
  const ids = [idAt(now), idAt(now - 400 * 24 * HOUR_MS), randomUUID(), 'deposit']
  const records = await foreignDeposits(stack, 140, (index) => {
    const id = ids[index % 4] ?? ''
    return index % 4 === 3 ? `${id} ${index}` : `${id.slice(0, -4)}${String(1_000 + index)}`
  })
  const env = { INBOX_RETENTION_MS: String(500 * 24 * HOUR_MS) }
  const first = stack.projector({ 'batch.records.max': 10 }, env)
  await stack.publishRaw(...records.slice(0, 90))
  await stack.caughtUp('accounts')
  await stack.publishRaw(...records.slice(60, 140), ...records.slice(0, 90))
  await first.stop('SIGKILL')
  stack.projector({ 'batch.records.max': 10 }, { ...env, VERSIONS: '2' })
  await stack.publishRaw(...records)
  await stack.caughtUp('accounts')
  expect(await readAccounts(stack)).toEqual(rowsOnce(140))
  await hasState(stack, 2, ['ready'])
  await stack.caughtUp('accounts', { version: 2 })
  expect(await rowsOf(stack, 2)).toEqual(rowsOnce(140))
  expect(await readLetters(stack)).toEqual(new Map())
})

test('what a relay wrote is known by its id, too, when it comes again without its position', async () => {
  await using stack = await start(1)
  await stack.relayWithSlot()
  const app = stack.projector()
  const [event] = await stack.encode(AccountEvents.Deposited({ accountId: 'account-0', amount: 1 }))
  for (let count = 0; count < 20; count += 1) {
    await stack.pool.query(
      `insert into outbox.events (aggregatetype, aggregateid, type, payload)
       values ('account', 'account-0', 'Deposited', $1)`,
      [event?.value],
    )
  }
  await waitFor('20 events on the topic', 60_000, async () => (await stack.logEnds())[0] === 20)
  const published = (await stack.records()).map(({ key, value, headers }) => ({
    key,
    value,
    headers,
  }))
  // As a relay that crashed sends them, and as one does that replays them.
  const replayed = published.map((record) => ({
    ...record,
    headers: record.headers
      .filter(([name]) => !name.startsWith('cdc.'))
      .concat([['cdc.replayed', Buffer.from('true')]]),
  }))
  await stack.publishRaw(...published.slice(-10), ...replayed)
  await stack.caughtUp('accounts')
  expect(await readAccounts(stack)).toMatchObject([{ events: 20, balance: 20 }])
  await stack.hasMetric(app, 'projection_events_total', 30, { result: 'duplicate' })
})

test('an event that comes again once its id is forgotten is parked and counted, not applied', async () => {
  await using stack = await start(1)
  const then = Date.now() - 2 * HOUR_MS
  const records = await foreignDeposits(stack, 2, (index) => (index === 0 ? idAt(then) : 'text'))
  const old = records.map((record) => ({ ...record, timestampMs: then }))
  // Of a topic that is empty a projector forgets, as of one that it has caught up with.
  await stack.publishRaw(...old)
  const first = stack.projector()
  await stack.caughtUp('accounts')
  expect(await readAccounts(stack)).toEqual(rowsOnce(2))
  await first.stop()

  const app = stack.projector()
  await waitFor('ids of two hours ago to be forgotten', 60_000, async () => {
    const { rowCount } = await stack.pool.query(
      `select from evt.inbox_consumer where forgotten_before > now() - interval '90 minutes'`,
    )
    return rowCount === 1
  })
  const [fresh] = await foreignDeposits(stack, 1, () => idAt(Date.now()))
  await stack.publishRaw(...old, { ...fresh, key: Buffer.from('another') })
  await stack.caughtUp('accounts')
  expect(await readAccounts(stack)).toMatchObject([...rowsOnce(2), { id: 'another', events: 1 }])
  expect(await readLetters(stack)).toEqual(
    new Map([
      ['0@2', 'failed'],
      ['0@3', 'failed'],
    ]),
  )
  await stack.hasMetric(app, 'projection_errors_total', 2, { error_class: 'decode' })
  const answer = await fetch(`${app.url}/projections/accounts`)
  expect(await answer.json()).toMatchObject({
    projections: [{ duplicatesKnownBy: ['offset', 'position', 'id'] }],
  })
})

test('processes whose clocks are an hour behind and a day ahead: each event counts once, and none is forgotten', async () => {
  await using stack = await start(2)
  const ids = [idAt(Date.now()), randomUUID()]
  const records = await foreignDeposits(
    stack,
    120,
    (index) => `${ids[index % 2]?.slice(0, -4)}${String(1_000 + index)}`,
  )
  const withClock = (shiftMs: number) =>
    stack.projector(
      { 'batch.records.max': 10 },
      {
        NODE_OPTIONS: `--import ${join(import.meta.dirname, 'shifted-clock.ts')}`,
        CLOCK_SHIFT_MS: String(shiftMs),
      },
    )
  await stack.publishRaw(...records.slice(0, 60))
  const behind = withClock(-HOUR_MS)
  await stack.caughtUp('accounts')
  await stack.publishRaw(...records.slice(30, 90))
  const ahead = withClock(24 * HOUR_MS)
  await stack.caughtUp('accounts')
  await behind.stop('SIGKILL')
  await stack.publishRaw(...records)
  await stack.caughtUp('accounts')
  await ahead.stop('SIGKILL')
  withClock(-HOUR_MS)
  await stack.publishRaw(...records.slice(60))
  await stack.caughtUp('accounts')

  expect(await readLetters(stack)).toEqual(new Map())
  expect(await readAccounts(stack)).toEqual(rowsOnce(120))
  const shifts = [behind, ahead].map((app) => {
    const hours = (Date.parse(String(app.logField('time'))) - Date.now()) / HOUR_MS
    return Math.round(hours)
  })
  expect(shifts).toEqual([-1, 24])
})
