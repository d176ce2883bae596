import { join } from 'node:path'
import { createReader } from '@fairlead/kafka'
import { expect, test } from 'vitest'
import { ProjectionStack } from '../support/projection-stack.ts'
import { headerOf } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { foldAccounts, readAccounts, readLetters } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'

const MIRROR = 'outbox.event.dead-letters'

test('copies of letters wait in the outbox while their topic is away, and nothing stops', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'accounts.ts'),
  })
  const deposit = (accountId: string, amount: number) =>
    AccountEvents.Deposited({ accountId, amount })
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
  const reader = createReader({ bootstrapServers: [stack.broker.address], clientId: 'e2e' })
  const copies = async () => {
    const count = (await stack.admin.partitionCount(MIRROR)) ?? 0
    const perPartition = Array.from({ length: count }, async (_, partition) => {
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
  await waitFor('the copies', 60_000, async () => (await copies()).length === 2)
  const [first, second] = await copies()
  await reader.close()
  expect(Buffer.from(first?.key ?? []).toString()).toBe('bad')
  const names = [
    ['__connect.errors.topic', stack.topic],
    ['__connect.errors.offset', '0'],
    ['__connect.errors.stage', 'TRANSFORMATION'],
    ['__connect.errors.exception.class.name', 'RangeError'],
    ['__streams.errors.exception', 'RangeError'],
    ['kafka_dlt-original-topic', stack.topic],
    ['kafka_dlt-original-partition', '0'],
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
