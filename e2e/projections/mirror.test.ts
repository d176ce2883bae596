import { join } from 'node:path'
import { type IncomingRecord, createReader } from '@fairlead/kafka'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import { headerOf } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'
import { writeDeposit } from './write-deposit.ts'

const MIRROR = 'outbox.event.dead-letters'

test('copies of letters wait in the outbox while their topic is away, and nothing stops', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
    topicConfigs: { 'message.timestamp.type': 'LogAppendTime' },
  })
  const [poison] = await stack.encode(deposit('bad', 0))
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const traced = [...(poison?.headers ?? []), ['traceparent', Buffer.from(traceparent)] as const]
  await stack.publishRaw({ ...poison, headers: traced })
  await stack.publish(deposit('bad', 2), deposit('good', 3))
  stack.projector({ 'errors.deadletterqueue.topic.name': MIRROR })
  await stack.caughtUp('accounts')
  const expected = await foldAccounts(stack)
  expect(await readAccounts(stack)).toEqual(expected.rows)
  expect(await readLetters(stack)).toEqual(expected.letters)
  expect((await stack.pool.query('select from outbox.events')).rowCount).toBe(2)

  stack.relay()
  const [first, second] = await copies(stack, 2)
  expect(Buffer.from(first?.key ?? []).toString()).toBe('bad')
  const names = [
    ['__connect.errors.topic', stack.topic],
    ['__connect.errors.offset', '0'],
    ['__connect.errors.stage', 'TRANSFORMATION'],
    ['__connect.errors.exception.class.name', 'RangeError'],
    ['__streams.errors.exception', 'RangeError'],
    ['kafka_dlt-original-topic', stack.topic],
    ['kafka_dlt-original-partition', '0'],
    ['kafka_dlt-original-timestamp-type', 'LogAppendTime'],
    ['kafka_dlt-exception-cause-fqcn', 'RangeError'],
    ['kafka_dlt-exception-message', 'account bad: nothing deposited'],
    ['kafka_dlt-original-consumer-group', 'projector-accounts-v1'],
    ['fairlead.dlq.kind', 'failed'],
    ['traceparent', traceparent],
    ['eventType', 'Deposited'],
  ] as const
  for (const [name, value] of names) {
    expect([name, first === undefined ? '' : headerOf(first, name)]).toEqual([name, value])
  }
  expect(Buffer.from(first?.value ?? [])).toEqual(Buffer.from(poison?.value ?? []))
  expect(second === undefined ? '' : headerOf(second, 'fairlead.dlq.kind')).toBe('blocked')
  const letters = await stack.pool.query<{ traceparent: string | null }>(
    'select traceparent from evt.dead_letter order by log_offset limit 1',
  )
  expect(letters.rows).toEqual([{ traceparent }])
})

test('copies wait in the outbox while brokers refuse to make their topic; projections go on, and all arrives once it is there', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
  })
  const relay = stack.relay({
    'topic.creation.groups': 'copies',
    'topic.creation.copies.include': MIRROR,
    // There is one broker.
    'topic.creation.copies.replication.factor': 3,
  })
  await relay.ready()
  const app = stack.projector({ 'errors.deadletterqueue.topic.name': MIRROR })
  // Both stand in front of the copy of the first one's letter, however soon that is written.
  const writer = await stack.pool.connect()
  await writer.query('begin')
  await writeDeposit(stack, { accountId: 'bad', amount: 0 }, writer)
  await writeDeposit(stack, { accountId: 'bad', amount: 2 }, writer)
  await writer.query('commit')
  writer.release()
  await waitFor('the relay to be refused the topic', 60_000, () =>
    relay.logLines.some((line) => line.includes('INVALID_REPLICATION_FACTOR')),
  )
  await writeDeposit(stack, { accountId: 'good', amount: 3 })
  await waitFor('both deposits', 60_000, async () => (await stack.logEnds())[0] === 2)
  await stack.publish(deposit('bad', 5), deposit('good', 4))
  await stack.caughtUp('accounts')
  await stack.hasHealth(app, 'projection accounts v1', /^ok$/)
  const expected = await foldAccounts(stack)
  expect(expected.letters.size).toBe(3)
  expect(await readLetters(stack)).toEqual(expected.letters)
  expect(await readAccounts(stack)).toEqual(expected.rows)
  const waiting = await stack.pool.query(
    "select from outbox.events where headers ? 'fairlead.dlq.kind'",
  )
  expect(waiting.rowCount).toBe(3)
  expect(await stack.admin.partitionCount(MIRROR)).toBeUndefined()

  await stack.admin.ensureTopic({ topic: MIRROR, partitions: 1 })
  const copied = await copies(stack, 3)
  const kinds = copied.map((record) => headerOf(record, 'fairlead.dlq.kind'))
  expect(kinds).toEqual(['failed', 'blocked', 'blocked'])
  const timestampTypes = copied.map((record) =>
    headerOf(record, 'kafka_dlt-original-timestamp-type'),
  )
  expect(timestampTypes).toEqual(['CreateTime', 'CreateTime', 'CreateTime'])
  // What a service has written meanwhile stood behind the copies.
  await waitFor(
    'what stood behind the copies',
    60_000,
    async () => (await stack.logEnds())[0] === 5,
  )
  await stack.caughtUp('accounts')
  expect(await readAccounts(stack)).toMatchObject([{ id: 'good', events: 2, balance: 7 }])
})

function deposit(accountId: string, amount: number) {
  return AccountEvents.Deposited({ accountId, amount })
}

/** Waits until the topic has so many. */
async function copies(stack: ProjectionStack, count: number): Promise<readonly IncomingRecord[]> {
  const reader = createReader({ bootstrapServers: [stack.bootstrapServers], clientId: 'e2e' })
  const read = async () => {
    const partitions = (await stack.admin.partitionCount(MIRROR)) ?? 0
    const perPartition = Array.from({ length: partitions }, async (_, partition) => {
      const request = {
        topic: MIRROR,
        partition,
        fromOffset: 0,
        maxWaitMs: 100,
        maxBytes: 1_000_000,
      }
      return (await reader.fetch(request)).records
    })
    return (await Promise.all(perPartition)).flat()
  }
  await waitFor(`${count} copies`, 60_000, async () => (await read()).length === count)
  const records = await read()
  await reader.close()
  return records
}
