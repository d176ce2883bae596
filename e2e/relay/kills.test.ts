import { expect, test } from 'vitest'
import { NumberedWriters, committedNumbers, publishedNumbers } from '../support/numbered-writers.ts'
import { RelayStack } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'

/** Each aggregate is on the topic as it was committed: nothing lost, twice or out of order. */
async function expectExactlyOnce(stack: RelayStack): Promise<void> {
  await stack.confirmed()
  const published = publishedNumbers(await stack.records(TOPIC))
  const committed = await committedNumbers(stack.pool)
  expect(Object.keys(committed).length).toBeGreaterThan(10)
  expect(published).toEqual(committed)
  const parked = await stack.pool.query('select from relay.parked_event')
  expect(parked.rowCount).toBe(0)
}

test('a relay that was stopped with events in its queue sends none of them when it goes on', async () => {
  await using stack = await RelayStack.start()
  const first = stack.relay({ 'max.batch.size': 10 })
  await first.ready()
  const second = stack.relay()
  await stack.hasState(second, 'standby')
  const writers = new NumberedWriters(stack.pool)
  await waitFor('some events', 60_000, async () => (await stack.records(TOPIC)).length > 50)
  // With a broker that takes nothing a queue grows in the first relay.
  process.kill(stack.broker.pid, 'SIGSTOP')
  await waitFor('a queue', 60_000, async () => {
    return ((await stack.statusOf(first))?.pendingEvents ?? 0) > 40
  })
  process.kill(first.pid, 'SIGSTOP')
  process.kill(stack.broker.pid, 'SIGCONT')
  await stack.hasState(second, 'streaming')
  const before = (await stack.records(TOPIC)).length
  await waitFor('the successor', 60_000, async () => {
    return (await stack.records(TOPIC)).length > before + 50
  })
  process.kill(first.pid, 'SIGCONT')
  await stack.hasState(first, 'standby')
  await writers.stop()
  await expectExactlyOnce(stack)
})
