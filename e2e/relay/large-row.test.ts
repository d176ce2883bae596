import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { RelayStack, headerOf } from '../support/relay-stack.ts'

const TOPIC = 'outbox.event.order'
const MEMORY_BYTES_MAX = 300_000_000
const LARGE_BYTES = 100_000_000

/** The most that a process has had. */
async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}

test('a row of 100 MB is parked with a pointer to it, in bounded memory, and all others go on', async () => {
  await using stack = await RelayStack.start()
  // Text, as the payload of a json column: a bytea has twice its size in the log.
  await stack.pool.query('alter table outbox.events alter column payload type text using null')
  const relay = stack.relay()
  await relay.ready()
  await stack.pool.query(
    `insert into outbox.events (aggregatetype, aggregateid, type, payload)
     values ('order', 'poison', 'Tested', repeat('x', $1))`,
    [LARGE_BYTES],
  )
  await stack.insertKeys('poison', 'healthy')
  await stack.confirmed()
  const records = await stack.records(TOPIC)
  expect(records.map(({ key }) => Buffer.from(key ?? []).toString())).toEqual(['healthy'])
  expect(headerOf(records[0] ?? unreachable(), 'cdc.replayed')).toBeUndefined()
  const { parked } = (await (await fetch(`${relay.url}/parked`)).json()) as {
    parked: { reasonCode: string; payloadOmitted: boolean; sourceTable: string }[]
  }
  expect(parked.map(({ reasonCode, payloadOmitted }) => ({ reasonCode, payloadOmitted }))).toEqual([
    { reasonCode: 'BLOCKED', payloadOmitted: false },
    { reasonCode: 'ROW_TOO_LARGE', payloadOmitted: true },
  ])
  expect(parked[1]?.sourceTable).toBe('outbox.events')
  expect(await peakBytes(relay.pid)).toBeLessThan(MEMORY_BYTES_MAX)
})

function unreachable(): never {
  throw new Error('there is a record')
}
