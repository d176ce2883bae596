import { expect, test } from 'vitest'
import type { RunningApp } from '../support/running-app.ts'
import { NumberedWriters, committedNumbers, publishedNumbers } from '../support/numbered-writers.ts'
import { RelayStack } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'
/** The default. */
const WAL_SENDER_TIMEOUT_MS = 10_000

async function measured(stack: RelayStack, successor: RunningApp): Promise<number> {
  const startMs = performance.now()
  await stack.hasState(successor, 'streaming')
  return performance.now() - startMs
}

async function expectExactlyOnce(stack: RelayStack): Promise<void> {
  await stack.confirmed()
  expect(publishedNumbers(await stack.records(TOPIC))).toEqual(await committedNumbers(stack.pool))
}

test('a relay whose host is frozen is replaced, and sends nothing when it thaws', async () => {
  await using stack = await RelayStack.start()
  const settings = { 'wal.sender.timeout.ms': WAL_SENDER_TIMEOUT_MS }
  const first = stack.relay(settings)
  await first.ready()
  const second = stack.relay(settings)
  await stack.hasState(second, 'standby')
  const writers = new NumberedWriters(stack.pool)
  await waitFor('some events', 60_000, async () => (await stack.recordCount(TOPIC)) > 50)
  process.kill(first.pid, 'SIGSTOP')
  const takeoverMs = await measured(stack, second)
  const before = await stack.recordCount(TOPIC)
  await waitFor('the successor', 60_000, async () => (await stack.recordCount(TOPIC)) > before + 50)
  process.kill(first.pid, 'SIGCONT')
  await stack.hasState(first, 'standby')
  await writers.stop()
  await expectExactlyOnce(stack)
  process.stdout.write(`a frozen relay was replaced after ${takeoverMs.toFixed()} ms\n`)
})

test('a relay that stops hands over at once, and its successor sends nothing twice', async () => {
  await using stack = await RelayStack.start()
  const first = stack.relay({ 'wal.sender.timeout.ms': WAL_SENDER_TIMEOUT_MS })
  await first.ready()
  const second = stack.relay({ 'wal.sender.timeout.ms': WAL_SENDER_TIMEOUT_MS })
  await stack.hasState(second, 'standby')
  const writers = new NumberedWriters(stack.pool)
  await waitFor('some events', 60_000, async () => (await stack.recordCount(TOPIC)) > 50)
  await first.stop()
  const handoverMs = await measured(stack, second)
  process.stdout.write(`a relay that stopped was replaced after ${handoverMs.toFixed()} ms\n`)
  await writers.stop()
  await expectExactlyOnce(stack)
  const metrics = await (await fetch(`${second.url}/metrics`)).text()
  expect(metrics).not.toMatch(/outbox_relay_events_total\{[^}]*result="duplicate"/)
})
