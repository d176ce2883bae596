import { expect, test } from 'vitest'
import { type CliResult, fairlead } from '../support/cli.ts'
import { RelayStack, headerOf } from '../support/relay-stack.ts'
import type { RunningApp } from '../support/running-app.ts'

const TOPIC = 'outbox.event.order'

function dlq(relay: RunningApp, line: string): Promise<CliResult> {
  return fairlead(['relay', 'dlq', ...line.split(' '), '--relay', relay.url])
}

async function keysOf(stack: RelayStack): Promise<readonly string[]> {
  return (await stack.records(TOPIC)).map(({ key }) => Buffer.from(key ?? []).toString())
}

test('a poisoned aggregate is replayed in order by the command line, and goes on', async () => {
  await using stack = await RelayStack.start()
  const relay = stack.relay({ 'producer.max.request.size': 2_000_000 })
  await relay.ready()
  const insert = (key: string, bytes: number) =>
    stack.pool.query(
      `insert into outbox.events (aggregatetype, aggregateid, type, payload) values ('order', $1, 'Tested', $2)`,
      [key, Buffer.alloc(bytes, 7)],
    )
  await insert('poison', 1_500_000)
  await insert('poison', 1)
  await insert('healthy', 2)
  await stack.confirmed()
  expect(await keysOf(stack)).toEqual(['healthy'])

  const refused = await dlq(relay, 'replay --all')
  expect({ exitCode: refused.exitCode, stderr: refused.stderr }).toEqual({
    exitCode: 1,
    stderr: expect.stringContaining('MESSAGE_TOO_LARGE') as string,
  })
  const listed = await dlq(relay, 'list')
  expect(listed.stdout).toMatch(/blocked +order\/poison[^]*failed +order\/poison/)
  const [{ parkedId = '' } = {}] = JSON.parse((await dlq(relay, 'list -o json')).stdout) as {
    parkedId?: string
  }[]
  expect((await dlq(relay, `show ${parkedId}`)).stdout).toContain('kind: blocked')
  expect((await dlq(relay, 'show 999')).exitCode).toBe(3)

  const raised = await fairlead(['topic', 'set-config', TOPIC, 'max.message.bytes=3000000'], {
    bootstrapServer: stack.broker.address,
  })
  expect(raised.exitCode).toBe(0)
  const replayed = await dlq(relay, 'replay --aggregate-type order --aggregate-id poison')
  expect(replayed).toMatchObject({ exitCode: 0, stderr: '' })
  expect(replayed.stdout).toContain('replayedEvents: 2')
  await stack.insertKeys('poison')
  await stack.confirmed()
  const records = (await stack.records(TOPIC)).filter(
    ({ key }) => Buffer.from(key ?? []).toString() === 'poison',
  )
  expect(records.map(({ value }) => value?.length)).toEqual([1_500_000, 1, undefined])
  expect(records.map((record) => headerOf(record, 'cdc.replayed'))).toEqual([
    'true',
    'true',
    undefined,
  ])
  const metrics = await (await fetch(`${relay.url}/metrics`)).text()
  expect(metrics).toMatch(/^relay_parked_keys 0$/m)
})
